import { Agent, request } from 'node:http'
import { describe, expect, it, onTestFinished } from 'vitest'
import { perl, share, start, web, type Running } from './tools.ts'

interface Answer {
  status: number | undefined
  text: string
}

async function ask(port: number, path: string, agent: Agent | false): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port, path, agent }, (res) => {
      let text = ''
      res.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      res.on('end', () => resolve({ status: res.statusCode, text }))
      res.on('error', reject)
    })
    req.on('error', reject)
    req.end()
  })
}

describe.each([
  ['Node', web, 30],
  ['Perl', perl, 10],
])('a service in %s that shares its socket with its successor', (_, command, times) => {
  it(
    `is replaced ${times} times under load, and no request is refused, reset, empty or wrong`,
    { timeout: 60_000 },
    async () => {
      const shared = share()
      const { port } = shared
      const versions = new Set<string>()
      const run = async (number: number): Promise<Running> => {
        versions.add(`v${number}`)
        return start(command, { shared, env: { VERSION: `v${number}` } })
      }
      let current = await run(0)
      const kept = new Agent({ keepAlive: true })
      onTestFinished(() => kept.destroy())
      let asked = 0
      let over = false
      const wrong: unknown[] = []
      const load = async (path: string, agent: Agent | false): Promise<void> => {
        while (!over) {
          const answer = await ask(port, path, agent).catch((error: unknown) => error)
          asked++
          const { status, text } = answer as Partial<Answer>
          if (status !== 200 || !versions.has(text ?? '')) wrong.push(path, answer)
        }
      }
      const loads = ['/version', '/version', '/slow?ms=20', '/slow?ms=300'].flatMap((path) => [
        load(path, false),
        load(path, kept),
      ])
      const gone: Running[] = []
      for (let number = 1; number <= times; number++) {
        const next = await run(number)
        current.child.kill('SIGTERM')
        gone.push(current)
        current = next
      }
      expect(await Promise.all(gone.map(async ({ ended }) => ended))).toEqual(
        gone.map(() => ({ code: 0, signal: null })),
      )
      expect(await ask(port, '/version', false)).toEqual({ status: 200, text: `v${times}` })
      over = true
      await Promise.all(loads)
      expect(wrong).toEqual([])
      expect(asked).toBeGreaterThan(times)
    },
  )
})
