import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { ask } from '../../src/supervisor/client.ts'
import type { ControlRequest } from '../../src/supervisor/control.ts'
import { homeOfService } from '../../src/supervisor/home.ts'
import { it } from './tools.ts'

/** A supervisor that is stuck until it is told to go on; then it answers whatever was asked. */
async function startStuck(control: string): Promise<() => void> {
  const stuck = Promise.withResolvers<undefined>()
  const server = createServer((socket) => {
    socket.on('error', () => undefined).resume()
    void stuck.promise.then(() => socket.end('{"state":"committed"}\n'))
  })
  server.listen(control)
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return () => stuck.resolve(undefined)
}

it('a supervisor that does not answer is given up where it has only to look, not where it has to work', async ({
  directory,
}) => {
  const home = { ...homeOfService('/', 'web'), control: join(directory, 'control') }
  const goOn = await startStuck(home.control)
  const { signal } = new AbortController()
  const all = async (verb: ControlRequest['verb']): Promise<object[]> =>
    Array.fromAsync(ask(home, { verb }, signal, 20))
  const restarted = all('restart')
  for (const verb of ['status', 'history', 'freeze', 'unfreeze'] as const)
    await expect(all(verb)).rejects.toMatchObject({
      code: 'unreachable',
      exit: 69,
      message: 'the supervisor of web does not answer',
    })
  goOn()
  expect(await restarted).toEqual([{ state: 'committed' }])
})
