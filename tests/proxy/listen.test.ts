import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { openProxy } from '../../src/proxy/open.ts'
import { ask, open, portOf, startNamed } from './tools.ts'

async function makeDir(): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'gupper-proxy-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  return dir
}

it('listens on a Unix socket, and takes its file away when it ends', async () => {
  const file = path.join(await makeDir(), 'app.sock')
  const proxy = await open(await startNamed('a'), { listen: { path: file } })
  expect(proxy.url).toBe(`unix:${file}`)
  expect((await ask('http://localhost/', { socketPath: file })).text).toBe('a')
  await proxy.close(1000)
  expect(existsSync(file)).toBe(false)
})

it('takes the place of a dead process, and not of a living one', async () => {
  const file = path.join(await makeDir(), 'app.sock')
  const script = "require('net').createServer().listen(process.argv[1], () => process.send('there'))"
  const child = fork('-e', [script, file], { execArgv: [], execPath: process.execPath })
  await once(child, 'message')
  await expect(openProxy({ listen: { path: file } })).rejects.toMatchObject({
    code: 'unreachable',
    message: `cannot listen on ${file}: it is taken`,
  })
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(existsSync(file)).toBe(true)
  await open(await startNamed('a'), { listen: { path: file } })
  expect((await ask('http://localhost/', { socketPath: file })).text).toBe('a')
})

it('does not take the place of what is no socket', async () => {
  const file = path.join(await makeDir(), 'app.sock')
  await writeFile(file, 'precious')
  await expect(openProxy({ listen: { path: file } })).rejects.toMatchObject({ code: 'unreachable' })
  await expect(openProxy({ listen: { path: path.join(file, 'x') } })).rejects.toMatchObject({ exit: 69 })
})

it('says why it cannot listen', async () => {
  const port = portOf(await open())
  await expect(openProxy({ listen: { host: '127.0.0.1', port } })).rejects.toMatchObject({
    code: 'unreachable',
    message: `cannot listen on port ${port} of 127.0.0.1: it is taken`,
  })
  await expect(openProxy({ listen: { host: '192.0.2.1', port: 0 } })).rejects.toMatchObject({
    code: 'unreachable',
    message: 'cannot listen on port 0 of 192.0.2.1: this machine has no such address',
  })
})
