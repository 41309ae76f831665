import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { Control, type Answer } from '../../src/supervisor/control.ts'
import { it } from './tools.ts'

/** A control socket whose answers are the test's. */
async function openControl(path: string, answer: Answer): Promise<void> {
  const control = await Control.open(path, answer)
  onTestFinished(() => control.close())
}

async function connect(path: string, allowHalfOpen = false): Promise<Socket> {
  const socket = createConnection({ path, allowHalfOpen })
  await once(socket, 'connect')
  return socket
}

const request = '{"verb":"restart"}\n'

it('whoever asks and hangs up in one go is known to be gone', async ({ directory }) => {
  const path = join(directory, 'control')
  const asked = Promise.withResolvers<AbortSignal>()
  await openControl(path, async function* (_, gone) {
    asked.resolve(gone)
    if (!gone.aborted) await once(gone, 'abort')
  })
  const socket = await connect(path)
  socket.write(request, () => socket.destroy())
  const gone = await asked.promise
  if (!gone.aborted) await once(gone, 'abort')
  expect(gone.reason).toMatchObject({ code: 'no', message: 'whoever asked has hung up' })
})

it('whoever has said all and still listens is not gone, and gets the answer', async ({ directory }) => {
  const path = join(directory, 'control')
  const asked = Promise.withResolvers<AbortSignal>()
  const go = Promise.withResolvers<undefined>()
  await openControl(path, async function* (_, gone) {
    asked.resolve(gone)
    await go.promise
    yield { gone: gone.aborted }
  })
  const socket = await connect(path, true)
  socket.end(request)
  let said = ''
  const ended = once(socket.setEncoding('utf8'), 'end')
  const looked = Promise.withResolvers<undefined>()
  socket.on('data', (text: string) => {
    said += text
    if (said === '\n\n') looked.resolve(undefined)
  })
  await asked.promise
  // One empty line says that it was heard, one comes of the look whether anybody listens: what that tells is known then.
  await looked.promise
  go.resolve(undefined)
  await ended
  expect(said.trim()).toBe('{"gone":false}')
})
