import { describe, expect, it } from 'vitest'
import type { Progress } from '../../src/package/observer.ts'
import { createProgress, drawLine } from '../../src/terminal/progress.ts'
import { widthOf } from '../../src/terminal/text.ts'
import { createSink, screenLine } from './sink.ts'

const at = (received: number, total: number | undefined, more: Partial<Progress> = {}): Progress => ({
  ...{ file: 'app-1.0.0-linux-amd64', received, total, done: false, ...more },
})

const to = (received: number, total: number, more: Partial<Progress> = {}): Progress =>
  at(received, total, { file: 'app', ...more })

/** A progress line with a clock that stands still until it is moved. */
function start(columns = 100) {
  const sink = createSink()
  let time = 5000
  const progress = createProgress(sink, columns, () => time)
  return { ...progress, sink, move: (ms: number) => (time += ms), line: () => screenLine(sink.text) }
}

describe('a line of progress', () => {
  it('shows name, share, bar, bytes, rate and time left', () => {
    expect(drawLine([at(5e6, 20e6)], 1e6, 100)).toBe(
      'app-1.0.0-linux-amd64   25 % [=====               ]  5.0 MB of 20.0 MB  1.0 MB/s  15 s left',
    )
  })

  it('shows only what is known where the total is not', () => {
    expect(drawLine([at(5e6, undefined)], undefined, 100)).toBe('app-1.0.0-linux-amd64  5.0 MB')
    expect(drawLine([at(5e6, undefined)], 1e6, 100)).toBe('app-1.0.0-linux-amd64  5.0 MB  1.0 MB/s')
    expect(drawLine([at(0, 0)], undefined, 100)).toBe('app-1.0.0-linux-amd64  0 B')
    expect(drawLine([], undefined, 100)).toBe('0 files  0 B')
  })

  it('adds several files up, and shows no share while one total is unknown', () => {
    expect(drawLine([at(1e6, 2e6), at(1e6, 2e6, { file: 'b' })], undefined, 100)).toBe(
      '2 files   50 % [==========          ]  2.0 MB of 4.0 MB',
    )
    expect(drawLine([at(1e6, 2e6), at(1e6, undefined, { file: 'b' })], undefined, 100)).toBe(
      '2 files  2.0 MB',
    )
  })

  it('never says more than 100 %, nor that less than no time is left', () => {
    const line = drawLine([at(30e6, 20e6)], 1e6, 100)
    expect(line).toContain('100 % [====================]')
    expect(line).toContain('0 s left')
  })

  it('says nothing of the time left when nothing comes', () => {
    expect(drawLine([at(5e6, 20e6)], 0, 100)).not.toContain('left')
  })

  it('spells out what a name could do to a terminal', () => {
    const line = drawLine([at(1, 2, { file: 'a\u001b[2J\r\u202eb' })], undefined, 100)
    expect(line).toContain('a\\u001b[2J\\r\\u202eb')
  })

  it.each([0, 1, 2, 10, 20, 40, 60, 79, 80, 200])(
    'is never wider than the terminal: %i columns',
    (columns) => {
      for (const file of ['a', 'x'.repeat(300), '漢'.repeat(100), '📦'.repeat(100), 'e\u0301'.repeat(100)])
        for (const total of [undefined, 20e6])
          for (const rate of [undefined, 1e6]) {
            const line = drawLine([at(5e6, total, { file })], rate, columns)
            expect(widthOf(line), line).toBeLessThan(Math.max(1, columns))
            expect(line.isWellFormed()).toBe(true)
          }
    },
  )

  it('keeps the numbers where there is no room for the bar', () => {
    expect(drawLine([at(5e6, 20e6)], 1e6, 60)).toBe(
      'app-1.0.0-l…   25 %  5.0 MB of 20.0 MB  1.0 MB/s  15 s left',
    )
    expect(drawLine([at(5e6, 20e6)], 1e6, 20)).toBe('app-1.0.0-l…   25 %')
  })
})

describe('progress on a terminal', () => {
  it('is drawn at once, then ten times a second at most, over the same line', () => {
    const { show, move, sink } = start()
    show(to(0, 100))
    show(to(1, 100))
    move(99)
    show(to(2, 100))
    expect(sink.writes).toHaveLength(1)
    move(1)
    show(to(3, 100))
    expect(sink.writes).toHaveLength(2)
    for (const write of sink.writes) expect(write).toMatch(/^\r\u001b\[K[^\r\n]+$/)
  })

  it('draws nothing new, and no rate, while the clock stands still', () => {
    const { show, sink } = start()
    for (let i = 0; i < 1000; i++) show(to(i, 1000))
    expect(sink.writes).toHaveLength(1)
    expect(sink.text).not.toContain('/s')
  })

  it('is silent about a clock that goes backwards', () => {
    const { show, move, line } = start()
    show(to(0, 100))
    move(-10_000)
    show(to(50, 100))
    move(20_000)
    show(to(60, 100))
    expect(line()).not.toMatch(/-\d|NaN|Infinity/)
  })

  it('takes the rate from the last seconds only', () => {
    const { show, move, line } = start()
    show(to(0, 100e6))
    move(1000)
    show(to(50e6, 100e6))
    expect(line()).toContain('50.0 MB/s  1 s left')
    for (let second = 1; second <= 5; second++) {
      move(1000)
      show(to(50e6 + second * 1e6, 100e6))
    }
    expect(line()).toContain('1.0 MB/s  45 s left')
  })

  it('shows no rate below zero when a download starts over', () => {
    const { show, move, line } = start()
    show(to(50e6, 100e6))
    move(1000)
    show(to(0, 100e6))
    expect(line()).not.toContain('-')
    expect(line()).not.toContain('/s')
    move(1000)
    show(to(1e6, 100e6))
    expect(line()).toContain('1.0 MB/s')
  })

  it('is gone when the last file is done, and starts anew with the next', () => {
    const { show, move, line, sink } = start()
    show(to(50, 100))
    move(100)
    show(to(10, 100, { file: 'b' }))
    expect(line()).toContain('2 files')
    move(100)
    show(to(100, 100, { done: true }))
    expect(line()).toContain('2 files')
    show(to(100, 100, { file: 'b', done: true }))
    expect(line()).toBe('')
    move(100)
    show(to(7, 100, { file: 'c' }))
    expect(line()).toMatch(/^c +7 %/)
    expect(line()).not.toContain('/s')
    expect(sink.text.endsWith('\n')).toBe(false)
  })

  it('writes nothing for a file that is there already', () => {
    const { show, sink } = start()
    show(to(100, 100, { done: true }))
    expect(sink.text).toBe('')
  })

  it('is drawn again at the next word after it made room for a message', () => {
    const { show, clear, move, line, sink } = start()
    clear()
    expect(sink.text).toBe('')
    show(to(1, 100))
    clear()
    expect(line()).toBe('')
    move(100)
    show(to(2, 100))
    expect(line()).toContain('2 %')
  })
})
