import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished } from 'vitest'
import { openListening, parseListen } from '../../src/supervisor/programs/listening-socket.ts'
import { it } from './tools.ts'

describe('where to listen', () => {
  it.for([
    ['8080', { port: 8080 }],
    [':8080', { port: 8080 }],
    ['0', { port: 0 }],
    ['127.0.0.1:80', { host: '127.0.0.1', port: 80 }],
    ['example.org:80', { host: 'example.org', port: 80 }],
    ['[::1]:80', { host: '::1', port: 80 }],
    ['unix:/run/app.sock', { path: '/run/app.sock' }],
  ] as const)('%s', ([text, address]) => {
    expect(parseListen(text, '--listen')).toEqual(address)
  })

  it.for(['', 'here', '::1:80', '127.0.0.1:', '127.0.0.1', '65536', '-1', '[::1]', 'unix:relative', '80 '])(
    'is not "%s"',
    (text) => {
      expect(() => parseListen(text, '--listen')).toThrow(
        expect.objectContaining({
          code: 'usage',
          message: expect.stringContaining('--listen') as string,
        }) as Error,
      )
    },
  )
})

/** A child that holds the socket as its standard input, as the keeper does. */
const give = (fd: number): void => {
  const child = spawn('sleep', ['1000'], { stdio: [fd, 'ignore', 'ignore'] })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await once(child, 'close')
  })
}

describe('a socket for somebody else', () => {
  it('listens on, with the port that was chosen, after it was passed', async () => {
    const { bound } = await openListening({ host: '127.0.0.1', port: 0 }, give)
    const { port } = bound as { port: number }
    expect(port).toBeGreaterThan(0)
    await expect(openListening({ host: '127.0.0.1', port }, () => undefined)).rejects.toMatchObject({
      ...{ code: 'unreachable', message: `cannot listen on port ${port} of 127.0.0.1: it is taken` },
    })
  })

  it('is not this machine’s: 69', async () => {
    await expect(openListening({ host: '192.0.2.1', port: 0 }, () => undefined)).rejects.toMatchObject({
      code: 'unreachable',
    })
  })

  it('taken by another: 69', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    await expect(openListening({ host: '127.0.0.1', port }, () => undefined)).rejects.toMatchObject({
      code: 'unreachable',
    })
  })

  it('needs a directory that is there', async ({ directory }) => {
    await expect(openListening({ path: join(directory, 'none', 'app.sock') }, give)).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringMatching(/there is no such directory$/) as string,
    })
  })

  it('is never put in the place of a file', async ({ directory }) => {
    const path = join(directory, 'precious')
    await writeFile(path, 'precious')
    await expect(openListening({ path }, give)).rejects.toMatchObject({ code: 'unreachable' })
    expect(await readFile(path, 'utf8')).toBe('precious')
  })

  it('may be a Unix socket: one that somebody answers is left alone, one that is left over is replaced', async ({
    directory,
  }) => {
    const path = join(directory, 'app.sock')
    const child = spawn(process.execPath, [
      '-e',
      `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log())`,
    ])
    onTestFinished(() => void child.kill('SIGKILL'))
    await once(child.stdout, 'data')
    await expect(openListening({ path }, () => undefined)).rejects.toMatchObject({ code: 'unreachable' })
    child.kill('SIGKILL')
    await once(child, 'close')
    expect((await stat(path)).isSocket()).toBe(true)
    expect((await openListening({ path }, give)).bound).toEqual({ path })
    await expect(openListening({ path }, () => undefined)).rejects.toMatchObject({ code: 'unreachable' })
    await rm(path)
  })
})
