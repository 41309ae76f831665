import path from 'node:path'
import { Command, Option } from 'clipanion'
import { GupperError } from '../errors.ts'
import { parseDuration } from '../package/duration.ts'
import type { LogSink } from '../server/access-log.ts'
import { GupperCommand } from './command.ts'
import { findCacheHome } from './homes.ts'

const mostUnwritten = 1 << 20 // characters of the access log that may wait for a slow reader

class ServeCommand extends GupperCommand {
  static override paths = [['serve']]
  static override usage = Command.Usage({
    category: 'Publishing',
    description: 'publish a directory of packages over HTTP',
    details:
      'Serves the files of DIR: /list, /download/NAME, /events, a page for people, /healthz and /metrics. It listens on ' +
      'all interfaces unless --host says otherwise (--host 127.0.0.1: this machine only). The first line on standard ' +
      'output tells the address. Put packages into DIR by any means (scp, rsync, mv): a file is listed once it has ' +
      'been left alone for the settle time and nobody has it open for writing. Links, directories and names that ' +
      'begin with a dot are never served. Of a signed repository, /metadata/NAME and /targets/NAME are served as they lie ' +
      'there; no key is needed for that. SIGTERM lets downloads finish, then ends with 0.',
    examples: [
      ['Serve a directory on port 8080', 'gupper serve ./packages'],
      ['On this machine only, on any free port', 'gupper serve ./packages --host 127.0.0.1 --port 0'],
      [
        'With HTTPS and a token',
        'gupper serve ./packages --tls-cert c.pem --tls-key k.pem --token-file tokens',
      ],
    ],
  })

  dir = Option.String({ required: false, name: 'DIR' })
  port = Option.String('--port', '8080', { description: 'PORT: where to listen; 0 takes any that is free' })
  host = Option.String('--host', {
    description: 'ADDRESS: listen on this one only (default: all interfaces)',
  })
  tlsCert = Option.String('--tls-cert', { description: 'FILE: the certificate for HTTPS, PEM' })
  tlsKey = Option.String('--tls-key', { description: 'FILE: its key, PEM' })
  tokenFile = Option.String('--token-file', {
    description: 'FILE: tokens, one a line; each request has to bring one (all but /healthz)',
  })
  publicUrl = Option.String('--public-url', {
    description: 'URL: the address that clients know, when they come through a proxy',
  })
  settle = Option.String('--settle', '1s', {
    description: 'TIME: how long a file must be left alone before it is listed',
  })
  drain = Option.String('--drain', '30s', {
    description: 'TIME: how long downloads may go on after SIGTERM',
  })

  protected override columns = {
    LISTENING: ({ listening }: Record<string, unknown>): string => String(listening),
    DIRECTORY: ({ dir }: Record<string, unknown>): string => String(dir),
  }

  async run(): Promise<number> {
    const { context, tokenFile, publicUrl, host, observer } = this
    const { signal, env, cwd } = context
    const drainMs = parseDuration(this.drain, '--drain')
    const options = { host, publicUrl, observer, port: readPort(this.port), tls: this.#tls() }
    const settleMs = parseDuration(this.settle, '--settle')
    const dir = path.resolve(cwd, this.#directory())
    const { startServer } = await import('../server/server.ts')
    signal.throwIfAborted()
    const server = await startServer({
      ...options,
      dir,
      settleMs,
      tokenFile: tokenFile === undefined ? undefined : path.resolve(cwd, tokenFile),
      cacheDir: findCacheHome(env),
      accessLog: this.quiet
        ? undefined
        : { sink: this.#sink(), format: this.logFormat === 'json' ? 'json' : 'text' },
    })
    await this.writeOne({ listening: server.url, dir, ...(publicUrl !== undefined && { public: publicUrl }) })
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      else signal.addEventListener('abort', () => resolve(), { once: true })
    })
    observer.info('stopping: downloads under way may finish')
    await server.close(drainMs)
    return 0
  }

  #directory(): string {
    if (this.dir !== undefined && this.dir !== '') return this.dir
    throw new GupperError('usage', 'which directory?', { hint: 'gupper serve DIR' })
  }

  #tls(): { cert: string; key: string } | undefined {
    const { tlsCert, tlsKey } = this
    if (tlsCert === undefined && tlsKey === undefined) return undefined
    if (tlsCert === undefined || tlsKey === undefined)
      throw new GupperError('usage', '--tls-cert and --tls-key go together')
    const { cwd } = this.context
    return { cert: path.resolve(cwd, tlsCert), key: path.resolve(cwd, tlsKey) }
  }

  #sink(): LogSink {
    const { stderr } = this.context
    return (lines) => {
      if (stderr.writableLength > mostUnwritten || stderr.destroyed) return false
      stderr.write(lines)
      return true
    }
  }
}

function readPort(text: string): number {
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port
  throw new GupperError('usage', `--port is a number from 0 to 65535, not "${text}"`)
}

export const commands = [ServeCommand]
