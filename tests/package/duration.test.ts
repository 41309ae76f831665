import { describe, expect, it } from 'vitest'
import { parseCount, parseDuration } from '../../src/package/duration.ts'

const usage = (message: string) => expect.objectContaining({ code: 'usage', exit: 64, message }) as Error

describe('a length of time', () => {
  it.each([
    ['0', 0],
    ['30', 30_000],
    ['500ms', 500],
    ['30s', 30_000],
    ['2m', 120_000],
    ['1.5h', 5_400_000],
    ['1d', 86_400_000],
    ['0.001s', 1],
    [' 5s ', 5000],
    ['365d', 31_536_000_000],
  ])('%j is %i ms', (text, ms) => {
    expect(parseDuration(text, '--wait')).toBe(ms)
  })

  it.each([
    '',
    's',
    '-1s',
    '+1s',
    '1.s',
    '.5s',
    '5 s',
    '5S',
    '5min',
    '1h30m',
    '1e3',
    'Infinity',
    '٣s',
    '1'.repeat(10),
    '1,5s',
  ])('is not %j', (text) => {
    expect(() => parseDuration(text, '--wait')).toThrow(
      usage(`--wait takes a time such as 30s, 500ms or 2m, not "${text}"`),
    )
  })

  it('is always a whole number that a clock can be moved by', () => {
    for (const text of ['999999999d', '0.999ms', '1.005s', '999999999.999h']) {
      const ms = parseDuration(text, '--wait')
      expect(Number.isInteger(ms), text).toBe(true)
    }
  })
})

describe('a count', () => {
  it('is a whole number from 1', () => {
    expect(['1', '3', '999999999'].map((text) => parseCount(text, '--keep'))).toEqual([1, 3, 999999999])
  })

  it.each(['', '0', '-1', '01', '1.0', '1e3', ' 1', '1 ', '9999999999', 'three'])('is not %j', (text) => {
    expect(() => parseCount(text, '--keep')).toThrow(usage(`--keep takes a number from 1, not "${text}"`))
  })
})
