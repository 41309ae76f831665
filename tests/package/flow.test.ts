import { describe, expect, it } from 'vitest'
import { GupperError } from '../../src/errors.ts'
import { eachRecord, from, isAbort, orThrow, type Items } from '../../src/package/flow.ts'
import type { Failure, PackageRecord } from '../../src/package/record.ts'

const make = (version: string): PackageRecord => ({
  ...{ schema: 1, name: 'app', version, os: 'linux', arch: 'amd64', file: `app-${version}` },
})
const failure: Failure = {
  error: { step: 'list', code: 'unreachable', exit: 69, message: 'no answer', hint: 'wait' },
  extra: true,
}

describe('a step of one record at a time', () => {
  it('writes what the work gives, in order, and passes failures on untouched', async () => {
    const seen: string[] = []
    const step = eachRecord('verify', from([make('1.0.0'), failure, make('2.0.0')]), (record) => {
      seen.push(record.version)
      return Promise.resolve({ ...record, proofs: [{ by: 'test' }] })
    })
    const result = await Array.fromAsync(step)
    expect(result[1]).toBe(failure)
    expect(result[0]).toEqual({ ...make('1.0.0'), proofs: [{ by: 'test' }] })
    expect(seen).toEqual(['1.0.0', '2.0.0'])
  })

  it('puts a failure in the place of the record it failed on, and goes on', async () => {
    const step = eachRecord('verify', from([make('1.0.0'), make('2.0.0')]), (record) =>
      record.version === '1.0.0'
        ? Promise.reject(new GupperError('untrusted', 'bad signature', { hint: 'do not run it' }))
        : Promise.resolve(record),
    )
    expect(await Array.fromAsync(step)).toEqual([
      {
        error: {
          step: 'verify',
          code: 'untrusted',
          exit: 77,
          message: 'bad signature',
          hint: 'do not run it',
          record: make('1.0.0'),
        },
      },
      make('2.0.0'),
    ])
  })

  it('calls everything that nobody foresaw a bug', async () => {
    const step = eachRecord('verify', from([make('1.0.0'), make('1.0.1')]), (record) => {
      if (record.version === '1.0.0') throw new TypeError('x is not a function')
      AbortSignal.abort('a text').throwIfAborted()
      return Promise.resolve(record)
    })
    expect(await Array.fromAsync(step)).toMatchObject([
      { error: { code: 'bug', exit: 70, message: 'x is not a function' } },
      { error: { code: 'bug', exit: 70, message: 'a text' } },
    ])
  })

  it('takes a record only after the one before was written', async () => {
    const log: string[] = []
    async function* source(): Items {
      for (const version of ['1.0.0', '2.0.0']) {
        log.push(`give ${version}`)
        yield await Promise.resolve(make(version))
      }
    }
    const step = eachRecord('verify', source(), (record) => {
      log.push(`work ${record.version}`)
      return Promise.resolve(record)
    })
    for await (const item of step) log.push(`write ${(item as PackageRecord).version}`)
    expect(log).toEqual(['1.0.0', '2.0.0'].flatMap((at) => [`give ${at}`, `work ${at}`, `write ${at}`]))
  })

  it('ends as a whole when it is told to stop', async () => {
    const stop = new DOMException('stop', 'AbortError')
    const step = eachRecord('fetch', from([make('1.0.0'), make('2.0.0')]), () => Promise.reject(stop))
    await expect(step.next()).rejects.toBe(stop)
    expect(isAbort(stop)).toBe(true)
    expect([new Error('AbortError'), 'AbortError', undefined].some(isAbort)).toBe(false)
  })

  it('ends the step before it when its reader has seen enough', async () => {
    let ended = false
    async function* source(): Items {
      try {
        yield await Promise.resolve(make('1.0.0'))
        yield make('2.0.0')
      } finally {
        ended = true
      }
    }
    const step = eachRecord('verify', source(), (record) => Promise.resolve(record))
    await step.next()
    await step.return(undefined)
    expect(ended).toBe(true)
  })
})

describe('for programs that embed the steps', () => {
  it('records are given, and the first failure is thrown', async () => {
    const given: PackageRecord[] = []
    const reading = (async () => {
      for await (const record of orThrow(from([make('1.0.0'), failure, make('2.0.0')]))) given.push(record)
    })()
    await expect(reading).rejects.toMatchObject({
      name: 'GupperError',
      code: 'unreachable',
      exit: 69,
      message: 'no answer',
      hint: 'wait',
      cause: failure,
    })
    expect(given).toEqual([make('1.0.0')])
  })

  it('a failure with a code of a later gupper is still thrown', async () => {
    const later: Failure = { error: { step: 'x', code: 'later', exit: 79, message: 'new kind' } }
    await expect(orThrow(from([later])).next()).rejects.toMatchObject({ code: 'bug', message: 'new kind' })
  })
})
