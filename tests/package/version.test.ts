import { describe, expect, it } from 'vitest'
import {
  channelOf,
  compareVersions,
  findVersion,
  inRange,
  isRange,
  parseVersion,
} from '../../src/package/version.ts'

describe('a version', () => {
  it.each([
    ['1.2.3', '1.2.3'],
    ['v1.2.3', '1.2.3'],
    ['1.9', '1.9.0'],
    ['v1.9', '1.9.0'],
    ['2', '2.0.0'],
    ['0', '0.0.0'],
    ['1.9-rc.1', '1.9.0-rc.1'],
    ['2-beta', '2.0.0-beta'],
    ['2024.01.05', '2024.1.5'],
    ['007.0.00', '7.0.0'],
    ['1.0.0-beta.2', '1.0.0-beta.2'],
    ['1.0.0+build.5', '1.0.0+build.5'],
    ['1.0.0-rc.1+exp.sha-5114f85', '1.0.0-rc.1+exp.sha-5114f85'],
    ['1.9+007', '1.9.0+007'],
    ['1.0.0-x-y-z.--', '1.0.0-x-y-z.--'],
    ['999999999999999.0.0', '999999999999999.0.0'],
  ])('is read as the ancestor did: %s is %s', (text, version) => {
    expect(parseVersion(text)).toBe(version)
    // A full version reads as itself: this is how a record's version is checked.
    expect(parseVersion(version)).toBe(version)
  })

  it.each([
    ...[
      '',
      ' ',
      'v',
      'beta',
      'latest',
      '1.',
      '.1',
      '1..2',
      '1.2.',
      '1.2.3.4',
      '-1.0.0',
      '+1',
      '1.x',
      'vv1',
      '=1.0.0',
    ],
    ...['1.0.0-', '1.0.0+', '1.0.0-a..b', '1.0.0-01', '1.0.0-a+', '1.0.0+a+b', '1.0.0-ü', '1.0.0 ', ' 1.0.0'],
    ...[
      '1.0.0\n',
      '1,0,0',
      '0x10',
      '1e3',
      '٣.0.0',
      '9999999999999999.0.0',
      '1'.repeat(400),
      `1.0.0-${'a'.repeat(300)}`,
    ],
    ...['1.9.0/../..', '1.0.0-a_b'],
  ])('is not %j', (text) => {
    expect(parseVersion(text)).toBeUndefined()
  })
})

describe('the version in what a program says', () => {
  it.each([
    ['app version 1.9.3 darwin', '1.9.3'],
    ['app v1.9', '1.9.0'],
    ['jq-1.7.1', '1.7.1'],
    ['ripgrep 14.1.0 (rev e50df40a19)', '14.1.0'],
    ['version: 2.0.0-rc.1.', '2.0.0-rc.1'],
    ['1.0.0+build.7\n', '1.0.0+build.7'],
    ['3 files, version 2.1', '2.1.0'],
    ['(1.2.3)', '1.2.3'],
    ['"1.2.3"', '1.2.3'],
    ['1.2.3-\n', '1.2.3'],
    ['\u001b[1m1.2.3\u001b[0m', '1.2.3'],
  ])('%j is %s', (text, version) => {
    expect(findVersion(text)).toBe(version)
  })

  it.each(['', 'no version here', 'app 12', 'usage: app [-h]', 'a1.2.3', '1.0.0-01'])(
    '%j has none',
    (text) => {
      expect(findVersion(text)).toBeUndefined()
    },
  )

  it('is found in a long text without getting slow', () => {
    expect(findVersion(`${'1.'.repeat(50_000)} ${'1-'.repeat(50_000)}`)).toBeDefined()
    findVersion(`1.0-${'-.'.repeat(50_000)}!`)
  })
})

describe('the order of versions', () => {
  it('is that of semver.org, section 11, with the build part as the last word', () => {
    const ordered = [
      ...[
        '0.0.1',
        '0.9.9',
        '1.0.0-1',
        '1.0.0-2',
        '1.0.0-11',
        '1.0.0-alpha',
        '1.0.0-alpha.1',
        '1.0.0-alpha.beta',
      ],
      ...[
        '1.0.0-beta',
        '1.0.0-beta.2',
        '1.0.0-beta.11',
        '1.0.0-rc.1',
        '1.0.0',
        '1.0.0+1',
        '1.0.0+2',
        '1.0.0+a',
      ],
      ...['1.0.1', '1.9.0', '1.10.0', '2.0.0', '10.0.0', '999999999999999.0.0'],
    ]
    for (const [i, a] of ordered.entries())
      for (const [j, b] of ordered.entries())
        expect(Math.sign(compareVersions(a, b)), `${a} and ${b}`).toBe(Math.sign(i - j))
    expect(ordered.toReversed().sort(compareVersions)).toEqual(ordered)
  })
})

describe('the channel of a version', () => {
  it.each([
    ['1.0.0', 'stable'],
    ['1.0.0+beta', 'stable'],
    ['1.0.0-beta.2', 'beta'],
    ['1.0.0-beta', 'beta'],
    ['1.0.0-rc1', 'rc1'],
    ['1.0.0-0', '0'],
    ['nonsense', 'stable'],
  ])('of %s is %s', (version, channel) => {
    expect(channelOf(version)).toBe(channel)
  })
})

describe('a range of versions', () => {
  it.each(['^1.9', '~1.2.3', '>=1.2 <2', '1.x', '*', '', '1.9 - 2.1', '1 || 3', 'v1.9', '>=1.0.0-rc.1'])(
    'is %j',
    (text) => {
      expect(isRange(text)).toBe(true)
    },
  )

  it.each(['latest', '^', 'a || b', '>=x.y.z.w', '1.2.3.4', '../..'])('is not %j', (text) => {
    expect(isRange(text)).toBe(false)
  })

  it.each([
    ['1.9.5', '^1.9', true],
    ['2.0.0', '^1.9', false],
    ['1.9.0-rc.1', '^1.9', false],
    ['1.9.0-rc.2', '>=1.9.0-rc.1', true],
    ['1.10.0-rc.2', '>=1.9.0-rc.1', false],
    ['1.9.0+build.1', '1.9.0', true],
    ['0.3.0', '^0.2', false],
  ])('by the rules of npm: %s in %s is %s', (version, range, answer) => {
    expect(inRange(version, range)).toBe(answer)
  })
})
