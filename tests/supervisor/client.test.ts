import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { ask } from '../../src/supervisor/client.ts'
import { homeOfService } from '../../src/supervisor/home.ts'
import { it } from './tools.ts'

/** A supervisor that is stuck where it has heard (or has not heard) what was asked; then it answers. */
async function startStuck(control: string, hears: boolean): Promise<() => void> {
  const stuck = Promise.withResolvers<undefined>()
  const server = createServer((socket) => {
    socket.on('error', () => undefined).resume()
    if (hears) socket.write('\n')
    void stuck.promise.then(() => socket.end('{"state":"committed"}\n'))
  })
  server.listen(control)
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return () => stuck.resolve(undefined)
}

const verbs = ['status', 'history', 'freeze', 'unfreeze', 'activate', 'rollback', 'restart', 'check'] as const
const { signal } = new AbortController()

it('a supervisor that does not hear is given up, whatever is asked of it', async ({ directory }) => {
  const home = { ...homeOfService('/', 'web'), control: join(directory, 'control') }
  await startStuck(home.control, false)
  for (const verb of verbs)
    await expect(Array.fromAsync(ask(home, { verb }, signal, 20))).rejects.toMatchObject({
      code: 'unreachable',
      exit: 69,
      message: 'the supervisor of web does not answer',
    })
})

it('a supervisor that has heard may take its time', async ({ directory }) => {
  const home = { ...homeOfService('/', 'web'), control: join(directory, 'control') }
  const goOn = await startStuck(home.control, true)
  const patience = 20
  const waiting = verbs.map((verb) => Array.fromAsync(ask(home, { verb }, signal, patience)))
  // One that is not heard is given up after them.
  const deaf = { ...home, control: join(directory, 'deaf') }
  await startStuck(deaf.control, false)
  await expect(Array.fromAsync(ask(deaf, { verb: 'status' }, signal, 10 * patience))).rejects.toThrow()
  goOn()
  for (const answer of await Promise.all(waiting)) expect(answer).toEqual([{ state: 'committed' }])
})
