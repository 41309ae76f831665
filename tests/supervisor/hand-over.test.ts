import { once } from 'node:events'
import { describe, expect } from 'vitest'
import type { Release, Way } from '../../src/activations/activation.ts'
import { GupperError } from '../../src/errors.ts'
import { handOver, type HandOverContext, type HandOverResult } from '../../src/supervisor/hand-over.ts'
import type { Program } from '../../src/supervisor/programs/program.ts'
import { it, type World } from './tools.ts'

const stays = 'exec sleep 1000'
const nothing = { in_flight: null, cut: null, lost: null }

interface Scene {
  old: Program
  before: Release
  phases: string[]
  /** Whom the switches led to. */
  switches: string[]
  takenBack: () => number
  hand: (to: Release, before?: Release | null) => Promise<HandOverResult>
}

/** One program is live; a way leads to the next that does as the test says. */
async function prepare(
  world: World,
  faults: Partial<Way<Program>> = {},
  more: Partial<HandOverContext> = {},
  script = stays,
): Promise<Scene> {
  await world.programs.open(undefined)
  const stage = world.stage({ grace: 5000 })
  const phases: string[] = []
  const switches: string[] = []
  let takenBack = 0
  const way: Way<Program> = {
    ...{ name: 'test', overlapping: true, inPlace: false, shared: false },
    start: (release) => stage.start(release, {}),
    addressOf: () => undefined,
    switch: (to) => Promise.resolve(void switches.push(to.release.version)),
    async drain(from) {
      await from.stop(stage.grace)
      return nothing
    },
    ...faults,
  }
  const context: HandOverContext = {
    way,
    enter: (phase) => void phases.push(phase),
    ready: () => Promise.resolve(),
    again: () => Promise.resolve(undefined),
    takeBack: () => {
      takenBack++
      return Promise.resolve()
    },
    kill: (program) => program.kill(),
    routed: () => undefined,
    times: { readyWithin: 10_000, healthyFor: 0, progress: 20_000 },
    signal: new AbortController().signal,
    undone: new AbortController().signal,
    leave: () => undefined,
    ...more,
  }
  const before = await world.release('1.0.0', script)
  const old = await stage.start(before, {})
  const hand = (to: Release, back: Release | null = before): Promise<HandOverResult> =>
    handOver(context, to, old, back ?? undefined)
  return { old, before, phases, switches, hand, takenBack: () => takenBack }
}

const all = ['starting', 'probing', 'proving', 'switching', 'draining']
const fail = (why: string) => (): Promise<never> => Promise.reject(new Error(why))

describe('a hand-over', () => {
  it('is committed once the old program has drained', async ({ open }) => {
    const world = await open()
    const { old, phases, switches, hand, takenBack } = await prepare(world)
    const { state, live, to } = await hand(await world.release('2.0.0', stays))
    expect({ state, live: live?.release.version, takenBack: takenBack() }).toEqual({
      ...{ state: 'committed', live: '2.0.0', takenBack: 0 },
    })
    expect(live).toBe(to)
    expect(old.end).toBeDefined()
    expect(phases).toEqual(all)
    expect(switches).toEqual(['2.0.0'])
  })

  it.for([
    ['cannot be started', { start: fail('no') }, {}, ['starting']],
    ['never becomes ready', {}, { ready: fail('no') }, ['starting', 'probing']],
    [
      'is ready no more at the end of its trial',
      {},
      { again: () => Promise.resolve('no'), times: { readyWithin: 10_000, healthyFor: 1, progress: 20_000 } },
      ['starting', 'probing', 'proving'],
    ],
  ] as const)(
    'whose new program %s is aborted, and the old one was not touched',
    async ([, faults, more, seen], { open }) => {
      const world = await open()
      const { old, phases, switches, hand, takenBack } = await prepare(world, faults, more)
      const { state, live, to } = await hand(await world.release('2.0.0', stays))
      expect({ state, takenBack: takenBack() }).toEqual({ state: 'aborted', takenBack: 1 })
      expect(live).toBe(old)
      expect([old.end, old.stopping]).toEqual([undefined, false])
      expect(to === undefined || to.end !== undefined).toBe(true)
      expect({ phases, switches }).toEqual({ phases: seen, switches: [] })
    },
  )

  it('whose new program dies while it is proven is aborted, and says how it died', async ({ open }) => {
    const world = await open()
    const times = { readyWithin: 10_000, healthyFor: 15_000, progress: 30_000 }
    const { old, phases, hand } = await prepare(world, {}, { times })
    const { state, live, error } = await hand(await world.release('2.0.0', 'exit 9'))
    expect(state).toBe('aborted')
    expect(live).toBe(old)
    expect((error as Error).message).toBe('it exited with 9')
    expect(phases.at(-1)).toMatch(/^(probing|proving)$/)
  })

  it('whose switch fails is reverted to the old program', async ({ open }) => {
    const world = await open()
    let tries = 0
    const { old, phases, hand, takenBack } = await prepare(world, {
      switch: () => (tries++ === 0 ? Promise.reject(new Error('no')) : Promise.resolve()),
    })
    const { state, live, to } = await hand(await world.release('2.0.0', stays))
    expect({ state, takenBack: takenBack() }).toEqual({ state: 'reverted', takenBack: 1 })
    expect(live).toBe(old)
    expect(old.end).toBeUndefined()
    expect(to?.end).toBeDefined()
    expect(phases).toEqual([...all.slice(0, 4), 'reverting'])
  })

  it('that is broken off before it begins starts nothing', async ({ open }) => {
    const world = await open()
    const undone = AbortSignal.abort(new GupperError('superseded', 'it was rolled back meanwhile'))
    const { old, hand, phases, takenBack } = await prepare(world, {}, { undone })
    const { state, live, to } = await hand(await world.release('2.0.0', stays))
    expect({ state, to, phases, takenBack: takenBack() }).toEqual({
      ...{ state: 'aborted', to: undefined, phases: [], takenBack: 1 },
    })
    expect(live).toBe(old)
  })

  it.for(['probing', 'proving'] as const)(
    'that is broken off while %s is aborted, and the old program was not touched',
    async (phase, { open }) => {
      const world = await open()
      const undo = new AbortController()
      const waits = (_: Program, signal: AbortSignal): Promise<never> =>
        new Promise((_resolve, reject) => {
          undo.abort(new GupperError('superseded', 'it was rolled back meanwhile'))
          signal.throwIfAborted()
          signal.addEventListener('abort', () => reject(signal.reason as Error))
        })
      const times = { readyWithin: 10_000, healthyFor: 1, progress: 20_000 }
      const asks = phase === 'probing' ? { ready: waits } : { again: waits, times }
      const { old, switches, hand, phases } = await prepare(world, {}, { ...asks, undone: undo.signal })
      const { state, live, to, error } = await hand(await world.release('2.0.0', stays))
      expect({ state, error, phase: phases.at(-1) }).toMatchObject({
        ...{ state: 'aborted', error: { code: 'superseded' }, phase },
      })
      expect(live).toBe(old)
      expect([old.end, old.stopping]).toEqual([undefined, false])
      expect(to?.end).toBeDefined()
      expect(switches).toEqual([])
    },
  )

  it('that is broken off while the old program drains leads to it again at once, and the new one drains', async ({
    open,
  }) => {
    const world = await open()
    const undo = new AbortController()
    const drained: string[] = []
    const { old, switches, hand, phases, takenBack } = await prepare(
      world,
      {
        async drain(from, signal) {
          drained.push(from.release.version)
          undo.abort(new GupperError('superseded', 'it was rolled back meanwhile'))
          if (from === old) await once(signal, 'abort')
          signal.throwIfAborted()
          await from.stop(5000)
          return { ...nothing, in_flight: 3 }
        },
      },
      { undone: undo.signal },
    )
    const { state, live, to, error, in_flight } = await hand(await world.release('2.0.0', stays))
    expect({ state, error, in_flight }).toMatchObject({
      ...{ state: 'reverted', error: { code: 'superseded' }, in_flight: 3 },
    })
    expect(live).toBe(old)
    expect([old.end, old.stopping]).toEqual([undefined, false])
    expect(to?.end).toBeDefined()
    expect(drained).toEqual(['1.0.0', '2.0.0'])
    expect(takenBack()).toBe(1)
    expect(switches).toEqual(['2.0.0', '1.0.0'])
    expect(phases).toEqual([...all, 'reverting'])
  })

  it('that is broken off when the old program was told to end is committed, and that one is left to its end', async ({
    open,
  }) => {
    const world = await open()
    const undo = new AbortController()
    const left: Promise<unknown>[] = []
    const { old, hand, phases } = await prepare(
      world,
      {
        async drain(from) {
          const end = from.stop(20_000)
          undo.abort(new Error('back'))
          await end
          return nothing
        },
      },
      { undone: undo.signal, leave: (end) => void left.push(end) },
      'trap "" TERM; while :; do sleep 1000; done',
    )
    const { state, live, to } = await hand(await world.release('2.0.0', stays))
    expect(state).toBe('committed')
    expect(live).toBe(to)
    expect([old.end, old.stopping]).toEqual([undefined, true])
    expect(left).toHaveLength(1)
    expect(phases).toEqual(all)
    await old.kill()
    await Promise.all(left)
  })

  it('whose new program dies while the old one drains is reverted to the old one, which is told to go on', async ({
    open,
  }) => {
    const world = await open()
    const told: boolean[] = []
    const { old, switches, hand } = await prepare(world, {
      drain: (_, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            told.push(true)
            reject(signal.reason as Error)
          })
          world.programs.killOthers([old.id]).catch(reject)
        }),
    })
    const { state, live } = await hand(await world.release('2.0.0', stays))
    expect(state).toBe('reverted')
    expect(live).toBe(old)
    expect(told).toEqual([true])
    expect(switches).toEqual(['2.0.0', '1.0.0'])
  })

  it('whose drain fails when the old program is gone starts the old release anew', async ({ open }) => {
    const world = await open()
    const { old, hand, switches } = await prepare(world, {
      async drain(from) {
        await from.stop(5000)
        throw new Error('no')
      },
    })
    const { state, live } = await hand(await world.release('2.0.0', stays))
    expect(state).toBe('reverted')
    expect(live).not.toBe(old)
    expect(live?.release.version).toBe('1.0.0')
    expect(live?.end).toBeUndefined()
    expect(switches).toEqual(['2.0.0', '1.0.0'])
  })

  it('is stuck where the old release cannot be started again either', async ({ open }) => {
    const world = await open()
    let starts = 0
    const stage = world.stage()
    const scene = await prepare(world, {
      overlapping: false,
      async start(release, from) {
        await from?.stop(5000)
        if (starts++ > 0) throw new Error('not again')
        return stage.start(release, {})
      },
      switch: fail('no'),
    })
    const { state, live, phases } = {
      ...(await scene.hand(await world.release('2.0.0', stays))),
      phases: scene.phases,
    }
    expect({ state, live }).toEqual({ state: 'stuck', live: undefined })
    expect(phases.at(-1)).toBe('reverting')
  })

  it('that has to stop the old program first starts it again when the new one fails', async ({ open }) => {
    const world = await open()
    const stage = world.stage()
    const { old, hand, takenBack } = await prepare(
      world,
      {
        overlapping: false,
        async start(release, from) {
          await from?.stop(5000)
          return stage.start(release, {})
        },
      },
      { ready: ({ release }) => (release.version === '2.0.0' ? fail('no')() : Promise.resolve()) },
    )
    const { state, live, to } = await hand(await world.release('2.0.0', stays))
    expect({ state, takenBack: takenBack() }).toEqual({ state: 'reverted', takenBack: 1 })
    expect(old.end).toBeDefined()
    expect(to?.end).toBeDefined()
    expect(live?.release.version).toBe('1.0.0')
  })

  it('that the end of the service cuts off before the switch leaves the old program alone', async ({
    open,
  }) => {
    const world = await open()
    const stop = new AbortController()
    const ready: HandOverContext['ready'] = (_, signal) => {
      stop.abort(new Error('the service is being stopped'))
      return Promise.reject(signal.reason as Error)
    }
    const { old, hand, takenBack } = await prepare(world, {}, { ready, signal: stop.signal })
    const { state, live, to, error } = await hand(await world.release('2.0.0', stays))
    expect({ state, takenBack: takenBack() }).toEqual({ state: 'aborted', takenBack: 0 })
    expect(error).toMatchObject({ code: 'not-running', message: 'the service was stopped meanwhile' })
    expect(live).toBe(old)
    expect(to?.end).toBeDefined()
  })
})
