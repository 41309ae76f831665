// What a listing bears of whoever delegates, and what it leaves out of what it could not hear.
import { describe, expect, it } from 'vitest'
import type { MetadataLimits } from '../../src/trust/tuf/limits.ts'
import { noMarks } from '../../src/trust/tuf/marks.ts'
import { refresh } from '../../src/trust/tuf/refresh.ts'
import { openTrusted, type Trusted } from '../../src/trust/tuf/trusted.ts'
import { findTarget, listTargets, type Listing } from '../../src/trust/tuf/walk.ts'
import { publish } from '../attacks/hostile.ts'
import { makeSigner } from './conformance/keys.ts'
import { inDays } from './conformance/metadata.ts'
import { Repository } from './conformance/simulator.ts'

const [app, tool] = ['app-1.0.0-any-any', 'tool-1.0.0-any-any']

async function open(repository: Repository, limits: Partial<MetadataLimits> = {}): Promise<Trusted> {
  const remote = {
    readMetadata: (name: string) => Promise.resolve(repository.files.get(decodeURIComponent(name))),
  }
  const known = { known: () => Promise.resolve(undefined), marks: noMarks(), now: new Date() }
  const trusted = await openTrusted({ remote, ...known, pinned: repository.files.get('1.root.json'), limits })
  await refresh(trusted)
  return trusted
}

const filesOf = ({ targets }: Listing): string[] => targets.map(({ path }) => path).sort()

/** A team whose sub-roles each make the others wait: none of them for long, all together without an end. */
function addSlow(repository: Repository, team: string, count: number): void {
  repository.delegate('targets', { name: team, paths: [`${team}-*`] })
  const names = Array.from({ length: count }, (_, i) => `${team}-${'a'.repeat(60)}-1.0.${i}-any-any`)
  for (let i = 0; i < count; i++) {
    repository.delegate(team, { name: `${team}${i}`, paths: [`${team}-*`] })
    repository.delegate(`${team}${i}`, { name: 'nobody', paths: [`${team}-*a*a*a*a*a*z`] })
  }
  repository.delegate(team, { name: `${team}-last`, paths: [`${team}-*`] })
  publish(repository, names, `${team}-last`)
  publish(repository, [], 'nobody')
  for (let i = 0; i < count; i++) publish(repository, [], `${team}${i}`)
  publish(repository, [], team)
}

function addHonest(): Repository {
  const repository = new Repository()
  publish(repository, [app])
  repository.delegate('targets', { name: 'honest', paths: ['tool-*'] })
  publish(repository, [tool], 'honest')
  return repository
}

describe('what is spent on delegations', () => {
  it('is counted for a team and all below it together, and takes only its own names', async () => {
    const repository = addHonest()
    addSlow(repository, 'slow', 20)
    const one = await listTargets(await open(repository))
    expect([one.targets.length, one.broken]).toEqual([22, []])
    // Each of its roles takes some 5,000 letters, all of them 100,000.
    const listing = await listTargets(await open(repository, { letters: 50_000 }))
    expect(listing.broken).toMatchObject([{ role: 'slow', reason: { code: 'too-large' } }])
    expect(filesOf(listing)).toEqual(expect.arrayContaining([app, tool]))
    expect(listing.targets.length).toBeLessThan(22)
  })

  it('is told of every team that asks too much', async () => {
    const repository = addHonest()
    for (const team of ['slow', 'slower']) addSlow(repository, team, 20)
    const { broken, targets } = await listTargets(await open(repository, { letters: 50_000 }), ['slower-'])
    expect(broken.map(({ role }) => role)).toEqual(['slower'])
    expect(targets.map(({ path }) => path)).toEqual(expect.arrayContaining([app, tool]))
  })

  it('is bounded for all of them together, and then nobody is sure of what is missing', async () => {
    const repository = addHonest()
    for (const team of ['slow', 'slower']) addSlow(repository, team, 20)
    const listing = await listTargets(await open(repository, { allLetters: 50_000 }), ['tool-'])
    expect(listing.broken).toMatchObject([{ role: 'targets', reason: { code: 'too-large' } }])
  })

  it('is bounded where one file is looked for', async () => {
    const repository = addHonest()
    addSlow(repository, 'slow', 20)
    const trusted = await open(repository, { letters: 3_000 })
    expect(await findTarget(trusted, tool)).toMatchObject({ role: 'honest' })
    await expect(findTarget(trusted, `slow-${'a'.repeat(60)}-1.0.1-any-any`)).rejects.toMatchObject({
      code: 'too-large',
    })
  })

  it('also for roles that are delegated to again and again', async () => {
    const repository = addHonest()
    addSlow(repository, 'slow', 20)
    const { broken, targets } = await listTargets(await open(repository, { again: 1_000 }))
    expect(new Set(broken.map(({ role }) => role))).toEqual(new Set(['nobody']))
    expect(targets.map(({ path }) => path)).toEqual(expect.arrayContaining([app, tool]))
  })
})

describe('a role that cannot be heard', () => {
  /** A team delegates to a role that has expired. */
  function breakBelow(paths: string[], team = ['tool-*']): Repository {
    const repository = new Repository()
    publish(repository, [app])
    repository.delegate('targets', { name: 'team', paths: team })
    repository.delegate('team', { name: 'below', paths })
    publish(repository, [tool], 'team')
    repository.targetsOf('below').expires = inDays(-1)
    repository.publish('below', 'team', 'targets', 'snapshot', 'timestamp')
    return repository
  }

  const cases: [string, string[], string[], string[], boolean][] = [
    ['another name', ['tool-*'], ['tool-*'], ['app-'], false],
    ['the very name', ['tool-*'], ['tool-*'], ['tool-'], true],
    ['one of several names', ['tool-*'], ['tool-*'], ['app-', 'tool-'], true],
    ['a longer name', ['tool-*'], ['tool-*'], ['tool-box-'], true],
    ['a name that only begins alike', ['tool-*'], ['tool-*'], ['to-'], false],
    ['any name its team may speak for', ['*'], ['tool-*'], ['tool-'], true],
    ['names that its team may not speak for', ['*'], ['tool-*'], ['app-'], false],
    ['any name of a team that has all', ['*'], ['*'], ['app-'], true],
    ['a name that a set of letters may make', ['t[n-p]?l-*'], ['*'], ['tool-'], true],
    ['one file of a name', ['app-9.0.0-any-any'], ['*'], ['app-'], true],
    ['files in a folder', ['app-*/x'], ['*'], ['app-'], false],
  ]
  it.each(cases)('concerns %s: %#', async (_, paths, team, starts, concerned) => {
    const { broken, apart } = await listTargets(await open(breakBelow(paths, team)), starts)
    expect((concerned ? apart : broken).length).toBe(0)
    expect(concerned ? broken : apart).toMatchObject([{ role: 'below', reason: { code: 'expired' } }])
  })

  it('concerns whoever asks for everything', async () => {
    const { broken, apart } = await listTargets(await open(breakBelow(['tool-*'])))
    expect([broken.map(({ role }) => role), apart]).toEqual([['below'], []])
  })

  it('concerns every name where it is a hash bin', async () => {
    const repository = new Repository()
    const [bin = '', ...others] = repository.delegateToBins(1, 'bin')
    for (const one of others) publish(repository, [app], one)
    repository.targetsOf(bin).expires = inDays(-1)
    publish(repository, [], bin)
    const { broken } = await listTargets(await open(repository), ['app-'])
    expect(broken).toMatchObject([{ role: bin }])
  })

  it('concerns only those who may reach it by the delegation that is broken', async () => {
    const repository = addHonest()
    repository.delegate('targets', { name: 'other', paths: ['lib-*'] })
    repository.delegate('honest', { name: 'shared', paths: ['*'] })
    repository.delegate('other', { name: 'shared', paths: ['*'] })
    const last = repository.signersOf('shared').slice(-1)
    repository.signers.set('shared', [...last, makeSigner()])
    for (const role of ['shared', 'honest', 'other']) publish(repository, [], role)
    const trusted = await open(repository)
    expect(await listTargets(trusted, ['lib-'])).toMatchObject({ broken: [], apart: [{ role: 'shared' }] })
    expect(await listTargets(trusted, ['tool-'])).toMatchObject({ broken: [{ role: 'shared' }], apart: [] })
  })
})
