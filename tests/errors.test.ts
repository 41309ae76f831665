import { describe, expect, it } from 'vitest'
import { errnoOf, exitStatuses, explain, explaining, GupperError, isErrorCode } from '../src/errors.ts'
import type { ErrorCode } from '../src/errors.ts'

const codes = exitStatuses.flatMap(({ codes }) => codes)
const system = (code: string): Error => Object.assign(new Error(`${code}: it went wrong`), { code })

describe('the table of errors', () => {
  it('has the exit statuses of the contract, and no other', () => {
    expect(exitStatuses.map(({ exit }) => exit)).toEqual([
      ...['0', '1', '64', '65', '69', '70', '73', '75', '76', '77', '78', '128+n'],
    ])
  })

  it('shows every code under the status it ends with, once', () => {
    for (const { exit, codes } of exitStatuses)
      for (const code of codes) expect(String(new GupperError(code, 'x').exit)).toBe(exit)
    expect(new Set(codes).size).toBe(codes.length)
    // Whatever the table holds is shown: a code with a status of its own would be missing here.
    const some: ErrorCode[] = ['no', 'usage', 'bad-record', 'unreachable', 'bug', 'cannot-write', 'locked']
    expect(codes).toEqual(expect.arrayContaining([...some, 'protocol', 'untrusted', 'config']))
  })

  it('says of every failure what to do about it; "no" is an answer and needs nothing done', () => {
    for (const code of codes) {
      const { hint } = new GupperError(code, 'x')
      if (code === 'no') expect(hint).toBe('')
      else expect(hint, code).toMatch(/^[^\n.]{10,}[^\n]*[^.]$/)
    }
  })

  it('gives a meaning to every status, on one line', () => {
    for (const { exit, meaning } of exitStatuses) expect(meaning, exit).toMatch(/^\S[^\n]+[^.\s]$/)
  })

  it('knows its own codes, and not what every object has', () => {
    expect(codes.every(isErrorCode)).toBe(true)
    expect(['', 'nonsense', 'toString', '__proto__', 'constructor', 'BUG'].some(isErrorCode)).toBe(false)
  })
})

describe('an error of gupper', () => {
  it('carries code, status, message and the hint of the table', () => {
    const error = new GupperError('locked', '/opt/app is locked')
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({
      name: 'GupperError',
      code: 'locked',
      exit: 75,
      message: '/opt/app is locked',
    })
    expect(error.hint).toContain('run the same command again')
    expect('cause' in error).toBe(false)
  })

  it('takes a hint of its own, even an empty one, and keeps its cause', () => {
    const cause = new Error('deeper')
    const error = new GupperError('locked', 'x', { hint: 'wait', cause })
    expect([error.hint, error.cause]).toEqual(['wait', cause])
    expect(new GupperError('locked', 'x', { hint: '' }).hint).toBe('')
  })
})

describe('a system error', () => {
  it.each(['ENOSPC', 'EACCES', 'E2BIG', 'EIO'])('is known by its errno: %s', (code) => {
    expect(errnoOf(system(code))).toBe(code)
  })

  it.each([
    ['a plain error', new Error('x')],
    ['an error of Node', system('ERR_INVALID_ARG_TYPE')],
    ['one of ours', new GupperError('bug', 'x')],
    ['a numeric code', { code: 5 }],
    ['a text', 'ENOENT'],
    ['nothing', undefined],
    ['null', null],
  ])('is not %s', (_, thrown) => {
    expect(errnoOf(thrown)).toBeUndefined()
  })

  it('becomes 73 in plain words where something is written', () => {
    const error = explain(system('EACCES'), 'cannot write /opt/app')
    expect(error).toMatchObject({
      code: 'cannot-write',
      exit: 73,
      message: 'cannot write /opt/app: permission denied',
    })
    expect(error).toHaveProperty('cause.code', 'EACCES')
  })

  it('becomes 69 where something is read', () => {
    expect(explain(system('ENOENT'), 'cannot read x', true)).toMatchObject({ code: 'cannot-read', exit: 69 })
  })

  it.each(['ENOSPC', 'EDQUOT'])('is no-space for %s on either side', (code) => {
    for (const reading of [false, true])
      expect(explain(system(code), 'cannot write x', reading)).toMatchObject({ code: 'no-space', exit: 73 })
  })

  it('keeps an errno that has no plain words', () => {
    expect(explain(system('EIO'), 'cannot read x', true)).toHaveProperty('message', 'cannot read x: EIO')
  })

  it('is all that is explained: everything else passes as it is', () => {
    for (const thrown of [new GupperError('locked', 'x'), new Error('x'), 'x', undefined])
      expect(explain(thrown, 'doing')).toBe(thrown)
  })
})

describe('explaining', () => {
  it('gives what the work gives', async () => {
    expect(await explaining('cannot', () => Promise.resolve(7))).toBe(7)
  })

  it('explains what the work throws, also before its first await', async () => {
    const late = explaining('cannot read x', () => Promise.reject(system('EISDIR')), true)
    await expect(late).rejects.toMatchObject({ message: 'cannot read x: it is a directory', exit: 69 })
    const early = explaining('cannot write x', () => {
      throw system('EROFS')
    })
    await expect(early).rejects.toMatchObject({ exit: 73 })
  })

  it('leaves the end of a cancelled work alone', async () => {
    const abort = new DOMException('stop', 'AbortError')
    await expect(explaining('x', () => Promise.reject(abort))).rejects.toBe(abort)
  })
})
