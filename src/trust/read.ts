import { createReadStream } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { errnoOf, explain, GupperError } from '../errors.ts'
import type { Client } from '../net/client.ts'
import type { Observer } from '../package/observer.ts'

/** How checksum and signature files are reached. */
export interface ReachOptions {
  /** The environment, for the proxies. */
  env?: Record<string, string | undefined> | undefined
  /** The token file for servers that want one. */
  tokenFile?: string | undefined
  /** Instead of one of our own. */
  client?: Client | undefined
  observer?: Observer | undefined
  signal?: AbortSignal | undefined
}

/** Reads small files from anywhere. */
export interface Reader {
  /**
   * Reads a small file from a path, a file: URL or an http(s): URL.
   * @param where the path or URL
   * @param maxBytes the largest size that is accepted
   * @param source the source a bare token was given for; default: the URL itself
   * @returns its bytes; undefined when there is none (no such file, 404)
   * @throws GupperError `cannot-read`, `unreachable`, … (69), `too-large` (76)
   */
  read(where: string, maxBytes: number, source?: string): Promise<Buffer | undefined>
  close(): void
}

/** Whether a text is the address of a file on a server. */
export function isRemote(where: string): boolean {
  return /^https?:\/\//i.test(where)
}

/** Makes a reader; nothing is loaded or opened before it is asked. */
export function createReader(options: ReachOptions): Reader {
  const { env, tokenFile, observer, signal } = options
  let own: Client | undefined
  const connect = async (): Promise<Client> => {
    const { createClient } = await import('../net/client.ts')
    const token =
      tokenFile === undefined ? undefined : await (await import('../net/token.ts')).readToken(tokenFile)
    return (own = createClient({ env, observer, signal, token }))
  }
  return {
    async read(where, maxBytes, source) {
      if (!isRemote(where))
        return readFile(where.startsWith('file:') ? fileURLToPath(where) : where, maxBytes, signal)
      const client = options.client ?? own ?? (await connect())
      try {
        return (await client.get(where, { maxBytes, ...(source !== undefined && { source }) })).body
      } catch (error) {
        if (error instanceof GupperError && error.code === 'not-found') return undefined
        throw error
      }
    },
    close: () => own?.close(),
  }
}

/** An address as it may be shown: without password, and without the query, where signed links have their secrets. */
export function withoutSecrets(where: string): string {
  const url = isRemote(where) ? URL.parse(where) : null
  return url === null ? where : url.origin + url.pathname
}

/** As a stream: a pipe such as the shell's <(…) has no size to ask for. */
async function readFile(
  path: string,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of createReadStream(path, { signal }) as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      size += chunk.length
      if (size > maxBytes)
        throw new GupperError('too-large', `${path} is larger than ${maxBytes >> 10} KiB`, {
          hint: 'is this the right file?',
        })
    }
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined
    throw explain(error, `cannot read ${path}`, true)
  }
  return Buffer.concat(chunks)
}
