import { describe, expect, it } from 'vitest'
import { cut, formatBytes, formatSeconds, paint, printable, widthOf } from '../../src/terminal/text.ts'

describe('printable text', () => {
  it('has control characters spelled out', () => {
    expect(printable('a\nb\tc\rd')).toBe('a\\nb\\tc\\rd')
    expect(printable('\u001b[31mred\u0007\0\u007f')).toBe('\\u001b[31mred\\u0007\\u0000\\u007f')
    expect(printable('\u009b31m')).toBe('\\u009b31m')
  })

  it.each([
    ...[
      '\u061c',
      '\u200e',
      '\u200f',
      '\u202a',
      '\u202e',
      '\u2066',
      '\u2069',
      '\u2028',
      '\u2029',
      '\u200b',
      '\ufeff',
    ],
    ...['\ud800', '\udfff'],
  ])('has what turns, breaks or hides a line spelled out: %j', (char) => {
    expect(printable(`app${char}exe`)).toBe(`app\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}exe`)
  })

  it.each(['', 'app-1.0.0', 'grün', '漢字', '👩‍👩‍👧', 'e\u0301', "it's \\n", 'עברית'])(
    'is left alone otherwise: %j',
    (text) => {
      expect(printable(text)).toBe(text)
    },
  )
})

describe('a number of bytes', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [6_835_391, '6.8 MB'],
    [99_499, '99.5 kB'],
    [99_500, '100 kB'],
    [999_499, '999 kB'],
    [999_500, '1.0 MB'],
    [1e9, '1.0 GB'],
    [2.5e12, '2.5 TB'],
    [9_007_199_254_740_991, '9007 TB'],
    [999.4, '999 B'],
  ])('%d is %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text)
  })
})

describe('a number of seconds', () => {
  it.each([
    [0, '0 s'],
    [0.1, '1 s'],
    [-5, '0 s'],
    [59, '59 s'],
    [59.5, '1 min 0 s'],
    [250, '4 min 10 s'],
    [3599.1, '1 h 0 min'],
    [7500, '2 h 5 min'],
    [86_400, '24 h 0 min'],
  ])('%d is %s', (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text)
  })
})

describe('colour', () => {
  it('is put around a text only when wanted, and ended', () => {
    expect(paint('x', 'red', true)).toBe('\u001b[31mx\u001b[0m')
    expect(paint('x', 'red', false)).toBe('x')
  })
})

describe('the width of a text', () => {
  it.each([
    ['', 0],
    ['app', 3],
    ['grün', 4],
    ['gru\u0308n', 4],
    ['漢字', 4],
    ['한글', 4],
    ['ｗｉｄｅ', 8],
    ['𠀀', 2],
    ['📦', 2],
    ['🇩🇪', 2],
    ['⌚', 2],
    ['a\u200db', 2],
    ['—…“”', 4],
    ['█', 1],
  ])('%j takes %i columns', (text, width) => {
    expect(widthOf(text)).toBe(width)
  })
})

describe('cutting a text', () => {
  it.each([
    ['app', 3, 'app'],
    ['apps', 3, 'ap…'],
    ['漢字漢字', 8, '漢字漢字'],
    ['漢字漢字', 7, '漢字漢…'],
    ['漢字漢字', 6, '漢字…'],
    ['📦📦', 3, '📦…'],
    ['e\u0301e\u0301e\u0301', 2, 'e\u0301…'],
    ['app', 1, '…'],
    ['app', 0, ''],
    ['', 0, ''],
  ])('%j to %i columns is %j', (text, columns, expected) => {
    expect(cut(text, columns)).toBe(expected)
    expect(widthOf(cut(text, columns))).toBeLessThanOrEqual(columns)
  })
})
