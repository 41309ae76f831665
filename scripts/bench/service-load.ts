import { Agent, request } from 'node:http'
import { setTimeout as passing } from 'node:timers/promises'

/** One client: how it connects, what it asks for, and how long it rests between an answer and its next request (ms). */
interface Habit {
  kind: 'fresh' | 'kept' | 'rested' | 'slow' | 'slow-fresh'
  path: string
  rest: number
  clients: number
}

// A connection that is idle when its program is replaced is `rested`; `slow` ones are amid an answer.
const habits: readonly Habit[] = [
  { kind: 'fresh', path: '/version', rest: 8, clients: 4 },
  { kind: 'kept', path: '/version', rest: 8, clients: 4 },
  { kind: 'rested', path: '/version', rest: 150, clients: 4 },
  { kind: 'slow', path: '/slow?ms=50', rest: 0, clients: 4 },
  { kind: 'slow-fresh', path: '/slow?ms=50', rest: 0, clients: 2 },
]

// What this machine or process has too little of is no fault of the server's.
const ours = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM'])
const patience = 30_000 // ms without an answer, after which there is none

/** A load that never stops, on a service whose answers are its versions; every answer is checked, and nothing is asked twice. */
export class Load {
  /** Requests that were answered as they should be, by kind. */
  readonly requests: Record<Habit['kind'], number> = {
    fresh: 0,
    kept: 0,
    rested: 0,
    slow: 0,
    'slow-fresh': 0,
  }
  /** What was not, and why. */
  readonly lost: string[] = []
  /** What this client could not ask. */
  readonly faults: string[] = []
  /** How long quick requests took that were under way during a hand-over, ms. */
  readonly holds: number[] = []
  /** And those that were not. */
  readonly rests: number[] = []
  /** When the last fresh connection came that a version answered which was to be replaced. */
  lastOfOld = 0
  readonly #port: number
  readonly #live = new Map<string, { from: number; to: number }>()
  readonly #agents: Agent[] = []
  readonly #seen = new Set<string>()
  #waiting: { version: string; done: () => void } | undefined
  #clients: Promise<unknown> = Promise.resolve()
  #over = false
  #newest: string
  #switching = { from: Infinity, to: -Infinity }

  /** @param version that is live now */
  constructor(port: number, version: string) {
    this.#port = port
    this.#newest = version
    this.#live.set(version, { from: performance.now(), to: Infinity })
  }

  /** Begins; returns when each client has had an answer. */
  async start(): Promise<void> {
    const first: Promise<void>[] = []
    const clients: Promise<void>[] = []
    for (const habit of habits) {
      const kept = habit.kind !== 'fresh' && habit.kind !== 'slow-fresh'
      for (let client = 0; client < habit.clients; client++) {
        const agent = kept && new Agent({ keepAlive: true, maxSockets: 1 })
        if (agent) this.#agents.push(agent)
        first.push(this.#ask(habit, agent).then(() => void clients.push(this.#go(habit, agent))))
      }
    }
    await Promise.all(first)
    this.#clients = Promise.all(clients)
  }

  /** From now on this version may answer too. */
  begin(version: string): void {
    const now = performance.now()
    this.#live.set(version, { from: now, to: Infinity })
    this.#switching = { from: now, to: Infinity }
    this.#newest = version
  }

  /** From now on only this version may, to what is asked from now on; returns when it has. */
  async commit(version: string): Promise<void> {
    const now = performance.now()
    for (const [other, live] of this.#live) if (other !== version) live.to = Math.min(live.to, now)
    this.#switching.to = now
    if (this.#seen.has(version)) return
    await new Promise<void>((done) => (this.#waiting = { version, done }))
  }

  /** Ends, when all that was asked is answered. */
  async stop(): Promise<void> {
    this.#over = true
    await this.#clients
    for (const agent of this.#agents) agent.destroy()
  }

  async #go(habit: Habit, agent: Agent | false): Promise<void> {
    while (!this.#over) {
      if (habit.rest > 0) await passing(habit.rest)
      await this.#ask(habit, agent)
    }
  }

  async #ask({ kind, path }: Habit, agent: Agent | false): Promise<void> {
    const began = performance.now()
    try {
      const version = await get(this.#port, path, agent)
      const ended = performance.now()
      this.#check(version, began, ended)
      this.requests[kind]++
      const { from, to } = this.#switching
      if (path === '/version') (began <= to && ended >= from ? this.holds : this.rests).push(ended - began)
      if (kind === 'fresh' && version !== this.#newest) this.lastOfOld = Math.max(this.lastOfOld, began)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      const what = `${kind} ${path} after ${Math.round(performance.now() - began)} ms: ${code ?? ''} ${message}`
      if (code !== undefined && ours.has(code)) this.faults.push(what)
      else this.lost.push(what)
    }
  }

  #check(version: string, began: number, ended: number): void {
    const live = this.#live.get(version)
    if (live === undefined) throw new Error(`the answer is ${JSON.stringify(version)}`)
    if (live.from > ended) throw new Error(`${version} answered before it was to`)
    if (live.to < began) throw new Error(`${version} answered when it was replaced already`)
    this.#seen.add(version)
    if (this.#waiting?.version !== version) return
    this.#waiting.done()
    this.#waiting = undefined
  }
}

/** The value that so great a part of the values does not exceed. */
export function quantile(values: readonly number[], part: number): number {
  return [...values].sort((a, b) => a - b)[Math.ceil(values.length * part) - 1] ?? Number.NaN
}

/** Asks once, on a connection of its own or one of the agent's. @returns the whole body of a 200 */
async function get(port: number, path: string, agent: Agent | false): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, agent }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => (text += chunk))
      answer.on('error', reject)
      answer.on('close', () => {
        clearTimeout(late)
        const { statusCode, complete } = answer
        if (!complete) reject(new Error('the answer broke off'))
        else if (statusCode !== 200) reject(new Error(`${String(statusCode)} ${text}`))
        else resolve(text)
      })
    })
    const late = setTimeout(() => asked.destroy(new Error('no answer')), patience)
    asked.on('error', (error) => {
      clearTimeout(late)
      reject(error)
    })
    asked.end()
  })
}
