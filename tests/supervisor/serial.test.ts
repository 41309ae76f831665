import { describe, expect, it } from 'vitest'
import { Latest } from '../../src/supervisor/latest.ts'
import { Serial } from '../../src/supervisor/serial.ts'

const gate = (): PromiseWithResolvers<void> => Promise.withResolvers()

describe('one thing after the other', () => {
  it('does them in the order in which they were asked for', async () => {
    const serial = new Serial()
    const seen: number[] = []
    const { promise, resolve } = gate()
    const first = serial.do(async () => {
      await promise
      seen.push(1)
    })
    const second = serial.do(() => Promise.resolve(seen.push(2)))
    resolve()
    await Promise.all([first, second])
    expect(seen).toEqual([1, 2])
  })

  it('goes on after one that failed, and tells only who asked for that', async () => {
    const serial = new Serial()
    const failed = serial.do(() => Promise.reject(new Error('no')))
    const next = serial.do(() => Promise.resolve('yes'))
    await expect(failed).rejects.toThrow('no')
    await expect(next).resolves.toBe('yes')
  })

  it('is settled when what came meanwhile is done too', async () => {
    const serial = new Serial()
    const seen: number[] = []
    void serial.do(async () => {
      await Promise.resolve()
      void serial.do(() => Promise.resolve(seen.push(2)))
      seen.push(1)
    })
    await serial.settled()
    expect(seen).toEqual([1, 2])
  })
})

describe('of several that wait', () => {
  it('only the one that came last gets its turn, and the others are told at once', async () => {
    const serial = new Serial()
    const latest = new Latest(serial)
    const { promise, resolve } = gate()
    const done: string[] = []
    const work = (name: string) => (): Promise<string> => {
      done.push(name)
      return Promise.resolve(name)
    }
    const busy = serial.do(() => promise)
    const one = latest.do(work('one'), new Error('the first there is'))
    const two = latest.do(work('two'), new Error('two came'))
    await expect(one).rejects.toThrow('two came')
    const three = latest.do(work('three'), new Error('three came'))
    await expect(two).rejects.toThrow('three came')
    expect(done).toEqual([])
    resolve()
    await busy
    await expect(three).resolves.toBe('three')
    expect(done).toEqual(['three'])
  })

  it('one that is dropped gets no turn, and is told why', async () => {
    const serial = new Serial()
    const latest = new Latest(serial)
    const { promise, resolve } = gate()
    const busy = serial.do(() => promise)
    const one = latest.do(() => Promise.resolve('one'), new Error('one came'))
    latest.drop(new Error('gone back'))
    await expect(one).rejects.toThrow('gone back')
    const two = latest.do(() => Promise.resolve('two'), new Error('two came'))
    resolve()
    await busy
    await expect(two).resolves.toBe('two')
  })

  it('one that is under way is not superseded', async () => {
    const latest = new Latest(new Serial())
    const began = gate()
    const { promise, resolve } = gate()
    const one = latest.do(async () => {
      began.resolve()
      await promise
      return 'one'
    }, new Error('never told'))
    await began.promise
    const two = latest.do(() => Promise.resolve('two'), new Error('two came'))
    resolve()
    await expect(one).resolves.toBe('one')
    await expect(two).resolves.toBe('two')
  })

  it('one that failed leaves the turn to the next', async () => {
    const latest = new Latest(new Serial())
    await expect(latest.do(() => Promise.reject(new Error('no')), new Error(''))).rejects.toThrow('no')
    await expect(latest.do(() => Promise.resolve(2), new Error(''))).resolves.toBe(2)
  })
})
