import { describe, expect, it } from 'vitest'
import { parseBytes } from '../../src/package/bytes.ts'

const usage = (message: string) => expect.objectContaining({ code: 'usage', exit: 64, message }) as Error

describe('a size', () => {
  it.each([
    ['0', 0],
    ['1024', 1024],
    ['500M', 500e6],
    ['2G', 2e9],
    ['1.5 GiB', 1.5 * 2 ** 30],
    ['1k', 1000],
    ['1KiB', 1024],
    ['3TB', 3e12],
    ['7B', 7],
  ])('%j is %i bytes', (text, bytes) => {
    expect(parseBytes(text, '--max-size')).toBe(bytes)
  })

  it.each(['', 'M', '-1', '1.', '1e9', '5X', '5 0M', '0x10', '1,5G'])('is not %j', (text) => {
    expect(() => parseBytes(text, '--max-size')).toThrow(
      usage(`--max-size takes a size such as 500M or 2G, not "${text}"`),
    )
  })
})
