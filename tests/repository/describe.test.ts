import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { describeChange } from '../../src/repository/pending/describe.ts'
import { writeOut } from '../../src/repository/roles/bins.ts'
import { keyIdOf, publicKeyOf } from '../../src/trust/tuf/key.ts'
import type { DelegatedRole, Delegations, Envelope, Target, Targets } from '../../src/trust/tuf/model.ts'

function makeKey() {
  const key = publicKeyOf(generateKeyPairSync('ed25519').privateKey)
  if (key === undefined) throw new Error('no key')
  const id = keyIdOf(key)
  return { id, keys: { [id]: key }, shown: `${id.slice(0, 8)} (ed25519)` }
}

const [own, mallory] = [makeKey(), makeKey()]
const keys = { ...own.keys, ...mallory.keys }
const short = { keyids: [own.id], threshold: 1, bit_length: 8, name_prefix: 'bin' }
const stands = 'it stands until 2030-01-01T00:00:00Z'

function targetsOf(delegations?: Delegations, targets: Targets['targets'] = {}): Envelope<Targets> {
  const signed = {
    _type: 'targets' as const,
    spec_version: '1.0.34',
    version: 2,
    expires: '2030-01-01T00:00:00Z',
  }
  return { signatures: [], signed: { ...signed, targets, ...(delegations && { delegations }) } }
}

function tell(next: Delegations | undefined, before: Delegations | undefined): string[] {
  const lines = describeChange(targetsOf(next), targetsOf(before))
  expect(lines.pop()).toBe(stands)
  return lines
}

function teamOf(name: string, more: Partial<DelegatedRole>): DelegatedRole {
  return { name, keyids: [own.id], threshold: 1, terminating: false, ...more }
}

describe('hash bins', () => {
  const written = writeOut({ keys, succinct_roles: short })
  const stolen = { keyids: [mallory.id] }
  const taken = [
    `each of the 256 hash bins bin-* gets the key ${mallory.shown}`,
    `each of the 256 hash bins bin-* loses the key ${own.shown}`,
    'each of the 256 hash bins bin-* needs 1 of its 1 key',
  ]
  const rolesWith = (change: (role: DelegatedRole, at: number) => object): DelegatedRole[] =>
    (written.roles ?? []).map((role, at) => ({ ...role, ...change(role, at) }))

  it('that change alike are one line, however they are written', () => {
    const before = { keys, succinct_roles: short }
    expect(tell({ keys, succinct_roles: { ...short, ...stolen } }, before)).toEqual(taken)
    const next = { keys, roles: rolesWith(() => stolen) }
    expect(tell(next, written)).toEqual(taken)
    expect(tell(next, before)).toEqual(taken)
    expect(tell(written, before)).toEqual(['the same packages as before'])
    expect(tell(before, undefined)).toEqual([
      `each of the 256 hash bins bin-* gets the key ${own.shown}`,
      'each of the 256 hash bins bin-* needs 1 of its 1 key',
      'each of the 256 hash bins bin-* may sign one of 256 parts of the packages, by the hashes of their names',
    ])
  })

  it('are named where only some of them change', () => {
    const next = { keys, roles: rolesWith((_, at) => (at === 127 ? stolen : {})) }
    expect(tell(next, written)[0]).toBe(`the hash bin bin-7f gets the key ${mallory.shown}`)
    const lower = { keys, roles: rolesWith((_, at) => (at < 2 ? { threshold: 2 } : {})) }
    expect(tell(lower, written)).toEqual([
      'each of the hash bins bin-00, bin-01 needs 2 of its 1 key, no longer 1',
    ])
  })

  it('of another layout are other bins, however many they are said to be', () => {
    const many = { ...short, bit_length: 32 }
    const lines = tell({ keys, succinct_roles: many }, { keys, succinct_roles: short })
    expect(lines).toContain(`each of the 4294967296 hash bins bin-* gets the key ${own.shown}`)
    expect(lines).toContain('each of the 256 hash bins bin-* may sign nothing any more')
  })

  it('are not every role that signs by hashes', () => {
    const everything = teamOf('everything', { ...stolen, terminating: true, path_hash_prefixes: [''] })
    const lines = [
      `the team everything gets the key ${mallory.shown}`,
      'the team everything needs 1 of its 1 key',
      'the team everything may sign every package, whatever its name, and nobody after it',
    ]
    expect(tell({ keys, roles: [everything] }, undefined)).toEqual(lines)
    expect(tell({ keys, roles: [...(written.roles ?? []), everything] }, written)).toEqual([
      ...lines,
      'they are asked in this order: the hash bins, the team everything',
    ])
    const some = teamOf('some-0', { path_hash_prefixes: ['0', 'a'] })
    expect(tell({ keys, roles: [some] }, undefined)).toContain(
      'the team some-0 may sign the packages whose names have hashes that begin with 0 a',
    )
  })
})

describe('teams', () => {
  const [a, b] = [teamOf('a', { paths: ['a-*'] }), teamOf('b', { paths: ['b-*', '*'] })]

  it('that are asked in another order are named in it', () => {
    const order = 'they are asked in this order: the team b, the team a'
    expect(tell({ keys, roles: [b, a] }, { keys, roles: [a, b] })).toEqual([order])
    expect(tell({ keys, roles: [b, a] }, { keys, roles: [a] })).toContain(order)
    expect(tell({ keys, roles: [a, b] }, { keys, roles: [a] }).join()).not.toContain('order')
  })

  it('have what reaches far told first', () => {
    expect(tell({ keys, roles: [b] }, undefined).at(-1)).toBe('the team b may sign * b-*')
  })
})

describe('packages', () => {
  const target = (hash: string): Target => ({ length: 1, hashes: { sha256: hash.repeat(32) } })
  const say = (name: string): string => `${name} (sha256 ${'00'.repeat(8)}…)`

  it('are told by what matters most, and are all named on request', () => {
    const before = { 'app-1.0.0-linux-amd64': target('11'), 'old-1.0.0-linux-amd64': target('11') }
    const fresh = Array.from({ length: 30 }, (_, i) => `a${String(i).padStart(2, '0')}-1.0.0-linux-amd64`)
    const next = Object.fromEntries([...fresh, 'app-2.0.0-linux-amd64'].map((name) => [name, target('00')]))
    const both = [
      targetsOf(undefined, { ...next, 'app-1.0.0-linux-amd64': target('22') }),
      targetsOf(undefined, before),
    ] as const
    const names = ['app-2.0.0-linux-amd64', ...fresh].map(say)
    const first = [
      'gives OTHER BYTES to the package app-1.0.0-linux-amd64',
      'no longer vouches for the package old-1.0.0-linux-amd64',
    ]
    const some = `adds the packages ${names.slice(0, 20).join(', ')}, and 11 more, which --verbose names`
    expect(describeChange(...both)).toEqual([...first, some, stands])
    expect(describeChange(...both, true)).toEqual([...first, `adds the packages ${names.join(', ')}`, stands])
  })

  it('and teams are in quotes where their names are not plain', () => {
    const evil = 'evil\u001b[2K\r  the same\nversion 9, of'
    const lines = describeChange(
      targetsOf({ keys, roles: [teamOf(evil, { paths: ['a\n  evil-*'] })] }, { [evil]: target('00') }),
      undefined,
    )
    const shown = '"evil\\u001b[2K\\r  the same\\nversion 9, of"'
    expect(lines).toContain(`the team ${shown} may sign "a\\n  evil-*"`)
    expect(lines).toContain(`adds the package ${say(shown)}`)
    expect(lines.join('')).not.toMatch(/[\u0000-\u001f]/)
  })
})

it('mentions every field that is signed, also ones that mean nothing here', () => {
  const [next, before] = [targetsOf(), targetsOf()]
  Object.assign(next.signed, { more: 1 })
  expect(describeChange(next, before)).toEqual(['changes the field more', stands])
})
