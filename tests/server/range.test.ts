import { describe, expect, it } from 'vitest'
import { parseRange } from '../../src/server/range.ts'

describe('a Range field', () => {
  it.each([
    ['bytes=0-0', [{ start: 0, end: 0 }]],
    ['bytes=2-', [{ start: 2, end: 9 }]],
    ['bytes=-3', [{ start: 7, end: 9 }]],
    ['bytes=-30', [{ start: 0, end: 9 }]],
    ['bytes=5-99', [{ start: 5, end: 9 }]],
    ['BYTES=1-2', [{ start: 1, end: 2 }]],
    [
      'bytes=0-1, 4-5 ,-1',
      [
        { start: 0, end: 1 },
        { start: 4, end: 5 },
        { start: 9, end: 9 },
      ],
    ],
    ['bytes=,0-1,,', [{ start: 0, end: 1 }]],
    ['bytes=20-30,1-2', [{ start: 1, end: 2 }]],
    ['bytes=0-99999999999999999999', [{ start: 0, end: 9 }]],
  ])('%s of ten bytes is read', (field, ranges) => expect(parseRange(field, 10)).toEqual(ranges))

  it.each(['bytes=10-', 'bytes=10-20', 'bytes=-0', 'bytes=99999999999999999999-'])(
    '%s of ten bytes cannot be satisfied',
    (field) => expect(parseRange(field, 10)).toBe('unsatisfiable'),
  )

  it.each([
    '',
    'bytes',
    'bytes=',
    'bytes=,',
    'bytes=a-b',
    'bytes=5-2',
    'bytes=-',
    'bytes=1-2-3',
    'lines=0-1',
    'bytes=0x1-2',
    'bytes=+1-2',
    'bytes=1-2;3',
  ])('"%s" is not valid and is ignored', (field) => expect(parseRange(field, 10)).toBeUndefined())

  it('with ranges that overlap to more than the whole is ignored', () =>
    expect(parseRange('bytes=0-9,0-9', 10)).toBeUndefined())

  it('with very many ranges is ignored', () =>
    expect(
      parseRange(`bytes=${Array.from({ length: 33 }, (_, i) => `${i}-${i}`).join()}`, 1000),
    ).toBeUndefined())

  it('of an empty file is unsatisfiable from a position, and ignored from the end', () => {
    expect(parseRange('bytes=0-', 0)).toBe('unsatisfiable')
    expect(parseRange('bytes=-5', 0)).toBeUndefined()
  })
})
