import { Agent } from 'node:http'
import { expect, it, onTestFinished } from 'vitest'
import { ask, open, startProgram, type Program } from './tools.ts'

const switches = 50
const clients = 200

// Slow ones are answered when the next program has been switched to: they are under way during every switch.
async function startVersion(name: string): Promise<Program & { release: () => void }> {
  const slow = new Set<() => void>()
  let released = false
  const program = await startProgram(
    (req, res) => {
      const answer = (): unknown => res.end(`${name} ${req.url ?? ''}`)
      if (req.url?.startsWith('/slow') && !released) slow.add(answer)
      else if (req.method === 'POST') void req.toArray().then(answer)
      else answer()
    },
    { id: name },
  )
  const release = (): void => {
    released = true
    for (const answer of slow) answer()
  }
  return Object.assign(program, { release })
}

it('loses nothing of a load while programs replace each other and are stopped', async () => {
  let current = await startVersion('v0')
  const proxy = await open(current)
  const agent = new Agent({ keepAlive: true, maxSockets: clients })
  onTestFinished(() => agent.destroy())
  const known = new Set(['v0'])
  const wrong: string[] = []
  let running = true
  let answered = 0
  const client = async (n: number): Promise<void> => {
    for (let i = 0; running; i++) {
      const path = `/${n % 10 === 0 ? 'fast' : 'slow'}/${n}/${i}`
      const posts = n % 20 === 0
      const { status, text } = await ask(proxy.url + path, {
        path,
        ...(n % 3 > 0 && { agent }),
        ...(posts && { method: 'POST', body: 'x' }),
      }).catch((error: unknown) => ({ status: 0, text: String(error) }))
      const [version = '', asked] = text.split(' ')
      if (status !== 200 || asked !== path || !known.has(version)) wrong.push(`${path}: ${status} ${text}`)
      answered++
    }
  }
  const all = Array.from({ length: clients }, (_, n) => client(n))
  for (let i = 1; i <= switches; i++) {
    const before = answered
    const next = await startVersion(`v${i}`)
    known.add(next.id)
    // Every tenth time nobody is there for a moment.
    if (i % 10 === 0) proxy.switchTo(undefined, 'being replaced')
    const old = current
    proxy.switchTo(next)
    old.release()
    expect(await proxy.drain(old.id, 60_000)).toMatchObject({ cut: 0 })
    await old.kill()
    current = next
    await expect.poll(() => answered, { timeout: 10_000, interval: 1 }).toBeGreaterThan(before + 20)
  }
  running = false
  current.release()
  await Promise.all(all)
  expect(wrong).toEqual([])
  expect(proxy.counts()).toMatchObject({ lost: 0, cut: 0, requests: answered })
})
