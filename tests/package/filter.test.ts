import { describe, expect, it } from 'vitest'
import {
  accepts,
  candidates,
  choose,
  choosesHere,
  formatFilter,
  inOrder,
  parseFilter,
  readFilter,
} from '../../src/package/filter.ts'
import type { Filter } from '../../src/package/filter.ts'
import { host } from '../../src/package/platform.ts'
import type { PackageRecord } from '../../src/package/record.ts'
import { compareVersions } from '../../src/package/version.ts'
import { createRandom } from './random.ts'

const make = (version: string, more: Partial<PackageRecord> = {}): PackageRecord => {
  const { name = 'app', os = host.os, arch = host.arch } = more
  return { schema: 1, name, version, os, arch, file: `${name}-${version}-${os}-${arch}`, ...more }
}
const foreign = host.os === 'darwin' ? 'linux' : 'darwin'
const usage = (message: string) => expect.objectContaining({ code: 'usage', exit: 64, message }) as Error
const kept = (versions: (string | PackageRecord)[], filter: Filter): string[] =>
  choose(
    versions.map((one) => (typeof one === 'string' ? make(one) : one)),
    filter,
  ).map(({ version }) => version)

describe('choosing', () => {
  it('keeps the newest stable version of each name for this machine', () => {
    const records = [
      make('1.9.0'),
      make('1.10.0'),
      make('2.0.0-rc.1'),
      make('3.0.0', { os: foreign }),
      make('0.1.0', { name: 'bee' }),
    ]
    expect(choose(records, {}).map(({ name, version }) => `${name} ${version}`)).toEqual([
      'app 1.10.0',
      'bee 0.1.0',
    ])
  })

  it('with all, keeps everything of every platform and channel, newest first', () => {
    expect(kept(['1.9.0', '2.0.0-rc.1', make('3.0.0', { os: foreign }), '1.10.0'], { all: true })).toEqual([
      ...['3.0.0', '2.0.0-rc.1', '1.10.0', '1.9.0'],
    ])
  })

  it('with all, keeps to the platform and channel that are asked for', () => {
    const records = ['1.0.0', '1.1.0-beta.1', '1.1.0-rc.1', make('1.2.0', { os: foreign })]
    expect(kept(records, { all: true, os: host.os, channel: 'beta' })).toEqual(['1.1.0-beta.1', '1.0.0'])
    expect(kept(records, { all: true, channel: 'stable' })).toEqual(['1.2.0', '1.0.0'])
  })

  it('keeps only the names that are asked for; none means all', () => {
    const records = [make('1.0.0'), make('1.0.0', { name: 'bee' }), make('1.0.0', { name: 'cat' })]
    expect(choose(records, { names: ['cat', 'app', 'dog'] }).map(({ name }) => name)).toEqual(['app', 'cat'])
    expect(choose(records, { names: [] })).toHaveLength(3)
    expect(choose(records, { names: ['App'] })).toEqual([])
  })

  it('keeps only what is newer, and nothing where nothing is', () => {
    expect(kept(['1.9.0', '1.10.0'], { newerThan: '1.9.0' })).toEqual(['1.10.0'])
    expect(kept(['1.9.0', '1.10.0'], { newerThan: '1.10.0' })).toEqual([])
    expect(kept(['1.10.0+2'], { newerThan: '1.10.0+1' })).toEqual(['1.10.0+2'])
    expect(kept(['1.10.0'], { newerThan: '1.10.0-rc.1' })).toEqual(['1.10.0'])
    expect(kept(['1.10.0-rc.2'], { newerThan: '1.10.0-rc.1' })).toEqual([])
  })

  it('falls back to the version before a build that was taken back', () => {
    const digest = `sha256:${'0'.repeat(64)}`
    const records = [
      make('2.0.0', { digest }),
      make('1.0.0', { digest: `sha256:${'1'.repeat(64)}` }),
      make('0.1.0'),
    ]
    expect(kept(records, { rejected: new Set([digest]) })).toEqual(['1.0.0'])
  })

  it('prefers, of equal versions, the package for this very platform to the one for any', () => {
    const records = [
      make('1.0.0', { os: 'any', arch: 'any', file: 'a' }),
      make('1.0.0', { arch: 'any', file: 'b' }),
      make('1.0.0', { file: 'z' }),
      make('1.0.0', { os: 'noarch', arch: 'all', file: '0' }),
    ]
    for (const order of [records, records.toReversed()]) {
      expect(choose(order, {}).map(({ file }) => file)).toEqual(['z'])
      expect(choose(order, { all: true }).map(({ file }) => file)).toEqual(['z', 'b', '0', 'a'])
    }
    expect(kept([make('1.0.1', { os: 'any', arch: 'any' }), '1.0.0'], {})).toEqual(['1.0.1'])
  })

  it('takes records in anyone’s words for a platform', () => {
    const record = make('1.0.0', { os: 'macOS', arch: 'aarch64' })
    expect(choose([record], { os: 'darwin', arch: 'arm64' })).toEqual([record])
  })

  it('leaves what it is given alone', () => {
    const records = Object.freeze([make('1.0.0'), make('2.0.0')]) as PackageRecord[]
    choose(records, { all: true })
    expect(records.map(({ version }) => version)).toEqual(['1.0.0', '2.0.0'])
    expect(choose([], {})).toEqual([])
  })
})

describe('pre-releases', () => {
  const versions = ['1.0.0', '1.1.0-alpha.1', '1.1.0-beta.1', '1.1.0-beta.2', '1.2.0-rc.1', '2.0.0-beta.1']

  it('are let in by their channel, beside the stable versions', () => {
    expect(kept(versions, { channel: 'beta' })).toEqual(['2.0.0-beta.1'])
    expect(kept([...versions, '2.0.0'], { channel: 'beta' })).toEqual(['2.0.0'])
    expect(kept(versions, { channel: 'stable' })).toEqual(['1.0.0'])
    expect(kept(versions, { channel: 'nightly' })).toEqual(['1.0.0'])
  })

  it('are let in by a range that names them, by the rules of npm', () => {
    expect(kept(versions, { range: '>=1.1.0-beta.1' })).toEqual(['1.1.0-beta.2'])
    expect(kept(versions, { range: '^1' })).toEqual(['1.0.0'])
    expect(kept(versions, { range: '*' })).toEqual(['1.0.0'])
  })

  it('of a channel are held against a range as the release that they lead to', () => {
    expect(kept(versions, { range: '^1', channel: 'beta' })).toEqual(['1.1.0-beta.2'])
    expect(kept(versions, { range: '^2', channel: 'beta' })).toEqual(['2.0.0-beta.1'])
    expect(kept(versions, { range: '<2.0.0', channel: 'beta' })).toEqual(['1.1.0-beta.2'])
    expect(kept(['1.1.0-beta.1+5-6'], { range: '1.1.0', channel: 'beta' })).toEqual(['1.1.0-beta.1+5-6'])
  })

  it('of other channels stay out, even where the range names them', () => {
    expect(kept(versions, { range: '>=1.2.0-rc.0 <2', channel: 'beta' })).toEqual([])
    expect(kept(versions, { range: '>=1.1.0-alpha.1 <1.2', channel: 'beta', all: true })).toEqual([
      ...['1.1.0-beta.2', '1.1.0-beta.1'],
    ])
  })

  it('are also versions that say so only by their channel', () => {
    const records = ['1.0.0', make('1.5.0', { channel: 'beta' })]
    expect(kept(records, {})).toEqual(['1.0.0'])
    expect(kept(records, { range: '^1' })).toEqual(['1.0.0'])
    expect(kept(records, { channel: 'beta' })).toEqual(['1.5.0'])
    expect(kept(records, { channel: 'beta', range: '^1' })).toEqual(['1.5.0'])
    expect(kept(records, { all: true, range: '^1' })).toEqual(['1.5.0', '1.0.0'])
    expect(kept(records, { channel: 'rc', range: '^1' })).toEqual(['1.0.0'])
  })

  it('that are published as stable are stable', () => {
    const records = ['1.0.0', make('1.5.0-hotfix.1', { channel: 'stable' })]
    expect(kept(records, {})).toEqual(['1.5.0-hotfix.1'])
    expect(kept(records, { channel: 'beta' })).toEqual(['1.5.0-hotfix.1'])
  })
})

describe('a floor', () => {
  const records = [make('1.0.0'), make('2.0.0'), make('3.0.0', { floor: '2.0.0' })]

  it('lets older versions step through an older release first', () => {
    expect(kept(records, { newerThan: '1.0.0' })).toEqual(['2.0.0'])
    expect(kept(records, { newerThan: '2.0.0-rc.1' })).toEqual(['2.0.0'])
    expect(kept(records, { newerThan: '2.0.0' })).toEqual(['3.0.0'])
    expect(kept(records, { newerThan: '2.5.0' })).toEqual(['3.0.0'])
  })

  it('holds nothing back where nothing is installed', () => {
    expect(kept(records, {})).toEqual(['3.0.0'])
  })

  it('holds everything back where no step is there', () => {
    expect(kept([make('3.0.0', { floor: '2.0.0' })], { newerThan: '1.0.0' })).toEqual([])
  })

  it('that cannot be read keeps a release to new installations', () => {
    const broken = [make('2.0.0'), make('3.0.0', { floor: 'two' })]
    expect(kept(broken, { newerThan: '1.0.0' })).toEqual(['2.0.0'])
    expect(kept(broken, {})).toEqual(['3.0.0'])
  })
})

describe('what has to wait', () => {
  const records = [make('1.0.0'), make('2.0.0'), make('3.0.0'), make('1.0.0', { name: 'bee' })]
  const before = (limit: string) => (record: PackageRecord) => compareVersions(record.version, limit) < 0

  it('is passed over: the newest of the others takes its place', () => {
    expect(kept(records, { reached: before('3.0.0') })).toEqual(['2.0.0', '1.0.0'])
    expect(kept(records, { aged: before('2.0.0') })).toEqual(['1.0.0', '1.0.0'])
    expect(kept(records, { aged: before('2.0.0'), reached: before('3.0.0'), all: true })).toEqual([
      ...['1.0.0', '1.0.0'],
    ])
    expect(kept(records, { reached: () => false })).toEqual([])
  })

  it('counts as seen although its rollout is not there yet, but not where it does not fit', () => {
    const seen: string[] = []
    const aged = ({ name, version }: PackageRecord): boolean => seen.push(`${name} ${version}`) > 0
    const fitting: Filter = { aged, reached: () => false, newerThan: '1.0.0', names: ['app'] }
    expect(kept([...records, make('9.0.0', { os: foreign }), '4.0.0-rc.1'], fitting)).toEqual([])
    expect(seen.sort()).toEqual(['app 2.0.0', 'app 3.0.0'])
  })

  it('is remembered of a source, with what is chosen in its place until then', () => {
    const filter: Filter = { reached: before('3.0.0') }
    const remembered = candidates([...records, make('0.1.0')].toReversed(), filter)
    expect(remembered.map(({ name, version }) => `${name} ${version}`)).toEqual([
      ...['app 3.0.0', 'app 2.0.0', 'bee 1.0.0'],
    ])
    expect(choose(remembered, filter)).toEqual(choose(records, filter))
    expect(choose(remembered, {})).toEqual(choose(records, {}))
    expect(candidates(records, {})).toEqual(choose(records, {}))
    expect(candidates(records, { ...filter, all: true })).toEqual(choose(records, { all: true }))
  })

  it('ages also where something newer is chosen', () => {
    const seen = new Set<string>()
    candidates(records, { aged: ({ version }) => seen.add(version).size > 0 })
    expect([...seen].sort()).toEqual(['1.0.0', '2.0.0', '3.0.0'])
  })

  it('by its age is asked for together with all that may take its place', () => {
    expect(formatFilter({ aged: () => true }).get('all')).toBe('1')
    expect(choosesHere({ aged: () => true })).toBe(true)
    expect(choosesHere({ reached: () => true })).toBe(false)
    expect(choosesHere({})).toBe(false)
  })
})

describe('the choice', () => {
  it('is the same in whatever order records come, and that of a plain reference', () => {
    const random = createRandom()
    const tags = ['', '', '', '-rc.1', '-beta.1', '-beta.2', '+1', '+2']
    for (let round = 0; round < 400; round++) {
      const records = Array.from({ length: random.below(12) }, (_, i) =>
        make(`${random.below(2)}.${random.below(3)}.0${random.pick(tags)}`, {
          name: random.pick(['app', 'bee']),
          os: random.pick([host.os, 'any', foreign]),
          arch: random.pick([host.arch, 'any']),
          file: `file-${i}`,
          ...(random.below(4) === 0 && { digest: `sha256:${'0'.repeat(64)}` }),
        }),
      )
      const filter: Filter = {
        ...(random.below(4) === 0 && { names: ['app'] }),
        ...(random.below(3) === 0 && { channel: 'beta' }),
        ...(random.below(3) === 0 && { newerThan: '0.1.0' }),
        ...(random.below(3) === 0 && { rejected: new Set([`sha256:${'0'.repeat(64)}`]) }),
      }
      const wanted = new Map<string, PackageRecord>()
      for (const record of records) {
        const [, tag = ''] = record.version.split('-')
        if (filter.names && record.name !== 'app') continue
        if (record.os === foreign) continue
        if (tag !== '' && !(filter.channel === 'beta' && tag.startsWith('beta'))) continue
        if (filter.newerThan && compareVersions(record.version, '0.1.0') <= 0) continue
        if (filter.rejected && record.digest) continue
        const best = wanted.get(record.name)
        if (!best || inOrder(record, best) < 0) wanted.set(record.name, record)
      }
      const expected = [...wanted.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
      const told = `GUPPER_TEST_SEED=${random.seed}, round ${round}`
      expect(choose(records, filter), told).toEqual(expected)
      expect(choose(records.toReversed(), filter), told).toEqual(expected)
      expect(choose(records, { ...filter, all: true }), told).toEqual(
        choose(records.toReversed(), { ...filter, all: true }),
      )
    }
  })
})

describe('a filter in words', () => {
  it('is read: names apart, platforms in anyone’s words, partial versions', () => {
    expect(
      readFilter({
        name: ['a', 'b,c'],
        os: 'macOS',
        arch: 'x86_64',
        range: '^1',
        channel: 'rc',
        newerThan: 'v1.9',
        all: true,
      }),
    ).toEqual({
      names: ['a', 'b', 'c'],
      os: 'darwin',
      arch: 'amd64',
      range: '^1',
      channel: 'rc',
      newerThan: '1.9.0',
      all: true,
    })
    expect(readFilter({})).toEqual({})
    expect(readFilter({ all: false, name: [] })).toEqual({})
  })

  it.each([
    [{ os: 'beos' }, '"beos" is not an operating system'],
    [{ os: '' }, '"" is not an operating system'],
    [{ arch: 'pdp11' }, '"pdp11" is not a processor'],
    [{ range: 'latest' }, '"latest" is not a range of versions'],
    [{ newerThan: 'yesterday' }, '"yesterday" is not a version'],
    // An empty variable in a script must not turn "this one" into "every one".
    [{ name: [''] }, '"" is not a name of a package'],
    [{ name: ['a', ','] }, '"," is not a name of a package'],
  ])('is refused where a word means nothing: %j', (words, message) => {
    expect(() => readFilter(words)).toThrow(usage(message))
  })

  it('is read from a query', () => {
    const query = '?name=a&name=b&os=linux&arch=x64&range=%5E1&channel=beta&newer-than=1.9&all=1'
    expect(parseFilter(new URLSearchParams(query))).toEqual({
      names: ['a', 'b'],
      os: 'linux',
      arch: 'amd64',
      range: '^1',
      channel: 'beta',
      newerThan: '1.9.0',
      all: true,
    })
    expect(parseFilter(new URLSearchParams('unknown=1'))).toEqual({})
  })

  it.each([
    ['all', true],
    ['all=', true],
    ['all=1', true],
    ['all=true', true],
    ['all=0', undefined],
    ['all=false', undefined],
    ['', undefined],
  ])('says all with %j: %s', (query, all) => {
    expect(parseFilter(new URLSearchParams(query)).all).toBe(all)
  })

  it('is written as a query that reads as the same, with the platform spelled out', () => {
    const filter: Filter = { names: ['a b', 'c&d'], range: '>=1 <2', channel: 'beta', newerThan: '1.0.0+1' }
    const query = formatFilter(filter)
    expect(parseFilter(new URLSearchParams(query.toString()))).toEqual({
      ...filter,
      os: host.os,
      arch: host.arch,
    })
    expect(formatFilter({ all: true }).toString()).toBe('all=1')
    expect(formatFilter({ all: true, os: 'linux' }).toString()).toBe('os=linux&all=1')
  })

  it('asks for everything that fits where builds were taken back, so that the one before can be chosen here', () => {
    const rejected = new Set([`sha256:${'0'.repeat(64)}`])
    expect(formatFilter({ rejected }).get('all')).toBe('1')
    expect(formatFilter({ rejected: new Set() }).get('all')).toBeNull()
    expect(accepts({ rejected })(make('1.0.0'))).toBe(true)
  })
})
