import { describe } from 'vitest'
import { it, shareDirectory } from './fixture.ts'
import { makeSigner, type Signer } from './keys.ts'
import type { TopRole } from './metadata.ts'
import type { Repository } from './simulator.ts'

shareDirectory()

/** The numbers of the keys of a role, how many must sign, and which do. */
interface Step {
  keys: number[]
  threshold: number
  signed: number[]
}

const step = (keys: number[], threshold: number, signed: number[]): Step => ({ keys, threshold, signed })
const five = [0, 1, 2, 3, 4]
const oneNew = [0, 1, 3, 4, 5]
const allNew = [5, 6, 7, 8, 9]

function makeSigners(): Signer[] {
  return Array.from({ length: 10 }, () => makeSigner('ed25519'))
}

function take(
  repository: Repository,
  role: TopRole,
  signers: Signer[],
  { keys, threshold, signed }: Step,
): void {
  repository.root.roles[role] = { keyids: [], threshold }
  repository.signers.set(role, [])
  for (const i of keys) repository.addKey(role, signers[i])
  repository.signers.set(
    role,
    signed.flatMap((i) => signers[i] ?? []),
  )
}

type Rotation = [name: string, steps: Step[]]

const followed: Rotation[] = [
  ['one key is replaced', [step([1], 1, [1]), step([2], 1, [2, 1]), step([2], 1, [2])]],
  [
    'one key is replaced among signatures that do not count',
    [step([1], 1, [3, 1, 4]), step([2], 1, [3, 2, 1, 4]), step([2], 1, [3, 2, 4])],
  ],
  [
    'three of five sign, other ones each time',
    [step(five, 3, [0, 2, 4]), step(five, 3, [0, 4, 1]), step(five, 3, [0, 1, 3]), step(five, 3, [0, 1, 3])],
  ],
  ['one of five is replaced', [step(five, 3, [0, 2, 4]), step(oneNew, 3, [0, 4, 1])]],
  [
    'one of five is replaced with a step between',
    [step(five, 3, [0, 2, 4]), step(oneNew, 3, [0, 2, 4, 5]), step(oneNew, 3, [0, 4, 5])],
  ],
  [
    'all of five are replaced with a step between',
    [step(five, 3, [0, 2, 4]), step(allNew, 3, [0, 2, 4, 5, 6, 7]), step(allNew, 3, [5, 6, 7])],
  ],
  ['the threshold rises from one to two', [step([1, 2, 3], 1, [1]), step([1, 2, 3], 2, [1, 2])]],
  [
    'the threshold falls from two to one',
    [step([1, 2, 3], 2, [1, 2]), step([1, 2, 3], 1, [1, 2]), step([1, 2, 3], 1, [1])],
  ],
  ['a key is added and the threshold rises', [step([1], 1, [1]), step([1, 2], 2, [1, 2])]],
]

const refused: Rotation[] = [
  ['the old key has not signed', [step([1], 1, [1]), step([2], 1, [2, 3, 4])]],
  ['the new key has not signed', [step([1], 1, [1]), step([2], 1, [1, 3, 4])]],
  ['fewer than three of the new keys have signed', [step(five, 3, [0, 2, 4]), step(oneNew, 3, [0, 2, 4])]],
  ['fewer than three of the old keys have signed', [step(five, 3, [0, 2, 4]), step(oneNew, 3, [0, 4, 5])]],
  ['the new threshold is not reached', [step([1, 2, 3], 1, [1]), step([1, 2, 3], 2, [2])]],
  ['the old threshold is not reached', [step([1, 2, 3], 2, [1, 2]), step([1, 2, 3], 1, [1])]],
]

/** Publishes one root a step, beginning with version 1, and gives them all. */
function rotate(repository: Repository, steps: readonly Step[]): Buffer[] {
  const signers = makeSigners()
  repository.root.version = 0
  return steps.map((one) => {
    take(repository, 'root', signers, one)
    repository.publish('root')
    return repository.bytesOf('root')
  })
}

const requested = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => `${from + i}.root.json`)

describe('a chain of roots is followed where', () => {
  it.concurrent.for(followed)('%s', async ([, steps], { client, repository, expect }) => {
    const roots = rotate(repository, steps)
    expect(await client.init(roots[0] ?? Buffer.alloc(0))).toBe(0)
    expect(await client.refresh()).toBe(0)
    expect(await client.bytesOf('root.json')).toEqual(roots.at(-1))
    expect(await client.trusted()).toEqual({ root: steps.length, snapshot: 1, targets: 1, timestamp: 1 })
    const others = ['timestamp.json', '1.snapshot.json', '1.targets.json']
    expect(repository.metadataRequests).toEqual([...requested(2, steps.length + 1), ...others])
  })
})

describe('a root is refused where', () => {
  it.concurrent.for(refused)('%s', async ([, steps], { client, repository, expect }) => {
    const roots = rotate(repository, steps)
    expect(await client.init(roots[0] ?? Buffer.alloc(0))).toBe(0)
    expect(await client.refresh()).toBe(1)
    expect(await client.bytesOf('root.json')).toEqual(roots.at(-2))
    expect(await client.trusted()).toEqual({ root: steps.length - 1 })
    expect(repository.metadataRequests).toEqual(requested(2, steps.length))
  })
})

const roles = ['timestamp', 'snapshot', 'targets'] as const

describe('new keys of timestamp, snapshot and targets are taken over where', () => {
  it.concurrent.for([
    ['one key is replaced', step([2], 1, [2])],
    ['there are signatures that do not count', step([1], 1, [3, 1, 4])],
    ['the first, third and fifth sign', step(five, 3, [0, 2, 4])],
    ['the first, fifth and second sign', step(five, 3, [0, 4, 1])],
    ['the first, second and fourth sign', step(five, 3, [0, 1, 3])],
    ['the second, third and fourth sign', step(five, 3, [1, 2, 3])],
    ['the third, fourth and fifth sign', step(five, 3, [2, 3, 4])],
  ] as [string, Step][])('%s', async ([, one], { client, repository, expect }) => {
    const signers = makeSigners()
    expect(await client.init(repository.bytesOf('root'))).toBe(0)
    for (const [i, role] of roles.entries()) {
      take(repository, role, signers, one)
      repository.publish('root', 'targets', 'snapshot', 'timestamp')
      expect(await client.refresh()).toBe(0)
      expect(await client.bytesOf(`${role}.json`)).toEqual(repository.bytesOf(role))
      expect(await client.trusted()).toEqual({
        root: i + 2,
        snapshot: i + 2,
        targets: i + 2,
        timestamp: i + 2,
      })
    }
  })
})

describe('what timestamp, snapshot and targets sign is refused where', () => {
  // With every role it is refused at another place.
  const trusted = {
    timestamp: { root: 2 },
    snapshot: { root: 2, timestamp: 2 },
    targets: { root: 2, snapshot: 2, timestamp: 2 },
  }
  const cases: [string, Step][] = [
    ['the new key has not signed', step([2], 1, [1, 3, 4])],
    ['one of three signatures is of a key that was replaced', step(oneNew, 3, [0, 2, 4])],
    ['one of three signatures is missing', step(oneNew, 3, [0, 4])],
  ]
  const each = cases.flatMap(([name, one]) => roles.map((role) => [name, role, one] as const))
  it.concurrent.for(each)('%s: %s', async ([, role, one], { client, repository, expect }) => {
    expect(await client.init(repository.bytesOf('root'))).toBe(0)
    take(repository, role, makeSigners(), one)
    repository.publish('root', 'targets', 'snapshot', 'timestamp')
    expect(await client.refresh()).toBe(1)
    expect(await client.trusted()).toEqual(trusted[role])
  })
})
