import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { GupperError } from '../../src/errors.ts'
import { isFailure, parseItem, toFailure } from '../../src/package/record.ts'
import schema from '../../src/package/record.schema.json' with { type: 'json' }

const validate = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false }).compile(schema)

const record = {
  schema: 1,
  name: 'app',
  version: '1.11.0',
  os: 'linux',
  arch: 'amd64',
  file: 'app-1.11.0-linux-amd64',
}
const failure = { error: { step: 'fetch', code: 'unreachable', exit: 69, message: 'no answer' } }
const digest = `sha256:${'0'.repeat(64)}`

function withField(path: string, value: unknown, base: object = record): unknown {
  const copy = structuredClone(base) as Record<string, unknown>
  const parts = path.split('.')
  const last = parts.pop() ?? ''
  let at = copy
  for (const part of parts) at = at[part] as Record<string, unknown>
  at[last] = value
  return copy
}

function without(field: string, base: object): unknown {
  return Object.fromEntries(Object.entries(base).filter(([name]) => name !== field))
}

// What both the reader and the published schema must say of a value.
const good: [string, unknown][] = [
  ['a bare record', record],
  [
    'a full one',
    {
      ...record,
      url: 'http://repo:8080/download/app-1.11.0-linux-amd64',
      source: 'http://repo:8080',
      size: 6835391,
      digest,
      published: '2026-11-20T10:00:00Z',
      channel: 'beta',
      path: '/tmp/app',
      proofs: [{ by: 'digest' }, { by: 'minisign', key: 'A2DAF9EA95989D82', comment: 'x' }],
      installed: { path: '/opt/app', changed: true, previous: '1.9.2' },
      watched: { at: '2026-11-20T10:00:00.123+01:00' },
    },
  ],
  ['unknown fields of every type', { ...record, a: null, b: [1], c: { d: true }, e: 'x', f: 1.5 }],
  ['no proofs', withField('proofs', [])],
  [
    'one of a signed repository',
    {
      ...record,
      notes: 'Faster.\nSafer.',
      critical: true,
      floor: '1.9.0-rc.1',
      rollout: { start: '2026-11-20T10:00:00Z', rate: '10%/h', why: 'careful' },
      mirrors: ['http://a/app', 'http://b/app'],
      proofs: [{ by: 'tuf', role: 'targets', version: 3, expires: '2027-11-20T10:00:00Z' }],
    },
  ],
  ['no notes, nothing critical, no mirrors', { ...record, notes: '', critical: false, mirrors: [] }],
  ...[
    { start: '2026-11-20T10:00:00Z', rate: '0.5%/s' },
    { start: '2026-11-20T10:00:00Z', rate: '0%/d' },
    { waves: [{ at: '2026-11-20T10:00:00+01:00', percent: 0 }] },
    { waves: [{ at: '2026-11-20T10:00:00Z', percent: 12.5, why: 'careful' }], start: '2026-11-20T10:00:00Z' },
  ].map((value): [string, unknown] => [`rollout ${JSON.stringify(value)}`, withField('rollout', value)]),
  ['an empty file', withField('size', 0)],
  ['the largest size', withField('size', Number.MAX_SAFE_INTEGER)],
  ['a pre-release with a build part', withField('version', '1.0.0-beta.2+exp.sha-5114f85')],
  ['odd identifiers', withField('version', '1.0.0--.0a.-1')],
  ['the longest version', withField('version', `1.0.0-${'a'.repeat(250)}`)],
  ['a large number in a pre-release', withField('version', '1.0.0-99999999999999999999')],
  ['a name with spaces, quotes and letters of all kinds', withField('name', `my "app" 'ü' 程序 🚀`)],
  ['a name with a dash in front', withField('name', '-rf')],
  ['a name of one letter', withField('name', 'a')],
  ['the longest name', withField('file', 'a'.repeat(255))],
  ['a failure', failure],
  [
    'a failure with hint, record and more',
    {
      error: { ...failure.error, hint: 'try again', record: { broken: true }, more: [1] },
      at: 1,
    },
  ],
  ['a failure of a code that is not known yet', withField('error.code', 'melted', failure)],
]

const bad: [string, unknown][] = [
  ...[null, true, 1, 'record', [], [record]].map((value): [string, unknown] => [
    JSON.stringify(value),
    value,
  ]),
  ['an empty object', {}],
  ...Object.keys(record).map((field): [string, unknown] => [`no ${field}`, without(field, record)]),
  ...Object.keys(failure.error).map((field): [string, unknown] => [
    `a failure without ${field}`,
    { error: without(field, failure.error) },
  ]),
  ...Object.keys({
    ...record,
    url: 0,
    source: 0,
    size: 0,
    digest: 0,
    published: 0,
    channel: 0,
    path: 0,
    proofs: 0,
    installed: 0,
    watched: 0,
  }).flatMap((field) =>
    [null, {}, true, '', [0]].map((value): [string, unknown] => [
      `${field} ${JSON.stringify(value)}`,
      withField(field, value),
    ]),
  ),
  ...[2, '1', 1.5].map((value): [string, unknown] => [
    `schema ${JSON.stringify(value)}`,
    withField('schema', value),
  ]),
  ...[
    '1.9',
    'v1.9.0',
    '1.9.0.1',
    '01.2.3',
    '1.2.3-',
    '1.2.3-01',
    '1.2.3+',
    '1.2.3-a..b',
    'latest',
    ' 1.2.3',
    '1.2.3\n',
    '1.2.3-ü',
    `${'9'.repeat(16)}.0.0`,
    `1.0.0-${'a'.repeat(251)}`,
  ].map((value): [string, unknown] => [`version ${JSON.stringify(value)}`, withField('version', value)]),
  ...[
    '.',
    '..',
    '../app',
    'a/b',
    'a\\b',
    '/app',
    '.hidden',
    ' app',
    'app ',
    'app\n',
    'a\nb',
    'a\0b',
    'a\u007f',
    '\u00a0a',
    'a'.repeat(256),
  ].flatMap((value) =>
    ['name', 'file', 'os', 'arch'].map((field): [string, unknown] => [
      `${field} ${JSON.stringify(value)}`,
      withField(field, value),
    ]),
  ),
  ...[-1, 1.5, '5', 2 ** 53, 1e300].map((value): [string, unknown] => [
    `size ${String(value)}`,
    withField('size', value),
  ]),
  ...[
    'sha256:',
    digest.toUpperCase(),
    digest.slice(1),
    `${digest}0`,
    `${digest}\n`,
    'md5:00',
    '0'.repeat(64),
  ].map((value): [string, unknown] => [`digest ${JSON.stringify(value)}`, withField('digest', value)]),
  ...[
    'yesterday',
    '2026-11-20',
    '20 Nov 2026',
    '2026-13-01T00:00:00Z',
    '2026-11-20T10:00:00',
    '2026-11-20 10:00:00Z',
    '2026-11-20T24:00:00Z',
  ].map((value): [string, unknown] => [`published ${value}`, withField('published', value)]),
  ...[['digest'], [{}], [{ by: '' }], [{ by: 1 }], [[]], [null], { by: 'digest' }].map(
    (value): [string, unknown] => [`proofs ${JSON.stringify(value)}`, withField('proofs', value)],
  ),
  ...[{ path: 'x' }, { changed: true }, { path: '', changed: true }, { path: 'x', changed: 1 }, [], 'x'].map(
    (value): [string, unknown] => [`installed ${JSON.stringify(value)}`, withField('installed', value)],
  ),
  ...(
    [
      ['notes', [1, null, ['a']]],
      ['critical', ['yes', 1, null]],
      ['floor', ['1.9', 'v1.9.0', '', 2, null]],
      ['mirrors', ['http://a', [''], [1], [null], {}]],
      [
        'rollout',
        [
          ...['10%/h', null, [], {}, true],
          ...[{ rate: '10%/h' }, { start: '2026-11-20T10:00:00Z' }, { start: 'now', rate: '10%/h' }],
          ...['10/h', '10%', '-1%/h', '1000%/h', '10%/w', '10%/h\n', 10].map((rate) => ({
            start: '2026-11-20T10:00:00Z',
            rate,
          })),
          ...[[], {}, [{}], [{ at: '2026-11-20T10:00:00Z' }], [null]].map((waves) => ({ waves })),
          ...[-1, 100.1, '10', null].map((percent) => ({ waves: [{ at: '2026-11-20T10:00:00Z', percent }] })),
          { waves: [{ at: 'tomorrow', percent: 10 }] },
          {
            waves: [{ at: '2026-11-20T10:00:00Z', percent: 10 }],
            start: '2026-11-20T10:00:00Z',
            rate: '10%/h',
          },
          { waves: [{ at: '2026-11-20T10:00:00Z', percent: 10 }], start: 1 },
        ],
      ],
    ] as const
  ).flatMap(([field, values]) =>
    values.map((value): [string, unknown] => [`${field} ${JSON.stringify(value)}`, withField(field, value)]),
  ),
  ['watched without a time', withField('watched', { since: 1 })],
  ...[null, 'text', [], true].map((value): [string, unknown] => [
    `error ${JSON.stringify(value)}`,
    { error: value },
  ]),
  ['a record with an error that is none', { ...record, error: null }],
  ...[0, 256, 1.5, '69', null, -1].map((value): [string, unknown] => [
    `exit ${JSON.stringify(value)}`,
    withField('error.exit', value, failure),
  ]),
  ...['step', 'code', 'message'].map((field): [string, unknown] => [
    `an empty ${field}`,
    withField(`error.${field}`, '', failure),
  ]),
]

describe('a line between two steps', () => {
  it.each(good)('may be %s', (_, value) => {
    expect(validate(value), JSON.stringify(validate.errors)).toBe(true)
    expect(parseItem(value)).toBe(value)
  })

  it.each(bad)('may not be %s', (_, value) => {
    expect(() => parseItem(value)).toThrow(expect.objectContaining({ code: 'bad-record', exit: 65 }))
    expect(validate(value)).toBe(false)
  })

  it('has names of at most 255 bytes, which a schema can only count as letters', () => {
    const long = withField('name', 'ü'.repeat(128))
    expect(() => parseItem(long)).toThrow('field "name"')
    expect(validate(long)).toBe(true)
  })

  it('is named in the complaint by its field', () => {
    expect(() => parseItem(without('os', record))).toThrow('field "os" is missing')
    expect(() => parseItem(withField('digest', 'x'))).toThrow('field "digest" must be')
  })
})

describe('a failure', () => {
  it('is a line itself, whatever was thrown', () => {
    for (const thrown of [
      new GupperError('locked', 'held'),
      new Error('oops'),
      'text',
      new GupperError('no', 'no'),
    ]) {
      const made = JSON.parse(JSON.stringify(toFailure('install', thrown, record))) as unknown
      expect(validate(made), JSON.stringify(validate.errors)).toBe(true)
      expect(isFailure(parseItem(made))).toBe(true)
    }
  })
})
