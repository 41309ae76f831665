import { appendFile, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { readLog } from '../../src/logs/reader.ts'
import { openFiles } from '../../src/logs/opened.ts'
import { findTail } from '../../src/logs/tail.ts'
import { openLog } from '../../src/logs/writer.ts'
import { createRandom } from '../package/random.ts'
import { entry, it, linesOf, textsOf } from './tools.ts'

describe('reading a log', () => {
  it('gives all lines of all files in order, with time and stream', async ({ log }) => {
    await mkdir(log)
    await writeFile(join(log, '10'), entry('a', 'stdout F', '2026-11-21T06:10:36.123456789Z'))
    await writeFile(join(log, '2'), entry('b', 'stderr F'))
    await writeFile(join(log, 'current'), entry('c', 'gupper F'))
    await writeFile(join(log, 'notes'), entry('d'))
    expect(await linesOf(log)).toEqual([
      { time: '2026-11-21T06:10:36.123Z', stream: 'stdout', line: 'a' },
      { time: '2026-11-21T06:10:36.123Z', stream: 'stderr', line: 'b' },
      { time: '2026-11-21T06:10:36.123Z', stream: 'gupper', line: 'c' },
    ])
  })

  it('joins pieces of a line, also across files and other streams, before they are text', async ({ log }) => {
    await mkdir(log)
    const [one, two] = [Buffer.from('é').subarray(0, 1), Buffer.from('é').subarray(1)]
    const piece = (head: string, text: Buffer) =>
      Buffer.concat([Buffer.from(entry('', head).slice(0, -1)), text, Buffer.from('\n')])
    await writeFile(
      join(log, '1'),
      Buffer.concat([piece('stdout P', one), piece('stderr P', Buffer.from('x'))]),
    )
    await writeFile(
      join(log, 'current'),
      Buffer.concat([
        piece('stdout F', two),
        piece('stderr F', Buffer.from([0xff])),
        piece('stdout P', Buffer.from('o')),
      ]),
    )
    expect(textsOf(await linesOf(log))).toEqual(['é', 'x\ufffd', 'o'])
  })

  it('skips what is no entry, however long, and an entry that is not whole yet', async ({ log }) => {
    await mkdir(log)
    const bad = [
      '',
      'garbage',
      entry('x', 'stdout X').trim(),
      entry('x', 'stdin F').trim(),
      'y'.repeat(600_000),
    ]
    await writeFile(
      join(log, 'current'),
      bad.map((line, i) => `${line}\n${entry(`${i}`)}`).join('') + entry('z').trim(),
    )
    const all = ['0', '1', '2', '3', '4']
    expect(textsOf(await linesOf(log))).toEqual(all)
    for (let lines = 0; lines < 7; lines++)
      expect(textsOf(await linesOf(log, { lines }))).toEqual(lines === 0 ? [] : all.slice(-lines))
  })

  it('cuts a line at 16 MiB', async ({ log }) => {
    await mkdir(log)
    await writeFile(join(log, '1'), entry('x'.repeat(16_000), 'stdout P').repeat(1100))
    await writeFile(join(log, 'current'), entry('end') + entry('next'))
    expect(textsOf(await linesOf(log)).map(({ length }) => length)).toEqual([2 ** 24, 4])
  })

  it('gives the last lines, whatever is in the files', async ({ log }) => {
    const random = createRandom()
    const writer = await openLog(log, { size: 60_000, keep: 50 })
    for (let i = 0; i < 300; i++) {
      const length = random.below(10) === 0 ? random.below(70_000) : random.below(300)
      writer.write(
        random.pick(['stdout', 'stderr']),
        Buffer.from(`${i} ${'x'.repeat(length)}${random.pick(['\n', '\n', ''])}`),
      )
      if (random.below(20) === 0) await writer.flush()
    }
    await writer.close()
    const all = await linesOf(log)
    expect(all.length).toBeGreaterThan(100)
    for (const lines of [0, 1, 2, 3, 5, 8, 13, 50, 100, all.length, 1000])
      expect(await linesOf(log, { lines }), `seed ${random.seed}, ${lines} lines`).toEqual(
        lines === 0 ? [] : all.slice(-lines),
      )
  })

  it('reads no more of the files than the last lines take', async ({ log }) => {
    await mkdir(log)
    for (const name of ['2', '1', 'current'])
      await writeFile(
        join(log, name),
        entry(`only in ${name}`, 'stderr F') + entry('x'.repeat(90)).repeat(20_000),
      )
    const files = await openFiles(log)
    const tail = await findTail(files, 10, true)
    for (const { handle } of files) await handle.close()
    expect(tail).toMatchObject({ file: 2, skip: 0 })
    expect(tail.offset).toBe((files[2]?.stats.size ?? 0) - 10 * entry('x'.repeat(90)).length)
  })

  it('gives the lines since a time, of any zone', async ({ log }) => {
    await mkdir(log)
    const at = (second: number) => entry(`${second}`, 'stdout F', `2026-11-21T06:10:${second}.500000000Z`)
    await writeFile(join(log, '1'), at(10) + at(11))
    await writeFile(join(log, 'current'), at(12) + at(13))
    const since = async (time: string, lines?: number) => textsOf(await linesOf(log, { since: time, lines }))
    expect(await since('2026-11-21T06:10:11.5Z')).toEqual(['11', '12', '13'])
    expect(await since('2026-11-21T08:10:12+02:00')).toEqual(['12', '13'])
    expect(await since('2026-11-21T06:10:11Z', 1)).toEqual(['13'])
    expect(await since('2027-01-01T00:00:00Z')).toEqual([])
    await expect(since('yesterday')).rejects.toMatchObject({ code: 'usage', message: 'yesterday is no time' })
  })

  it('says that there is no log', async ({ log }) => {
    const error = { code: 'cannot-read', message: `cannot read the log ${log}: no such file or directory` }
    await expect(linesOf(log)).rejects.toMatchObject(error)
    await expect(linesOf(log, { follow: true })).rejects.toMatchObject(error)
  })

  it('misses no file that is renamed meanwhile', async ({ log }) => {
    await mkdir(log)
    for (const name of ['current', '1', '2']) await writeFile(join(log, name), entry(name))
    const [oldest, middle, newest] = await openFiles(log)
    await rename(join(log, '2'), join(log, '3'))
    await rename(join(log, '1'), join(log, '2'))
    // In the midst of a rotation.
    const seen = await openFiles(log)
    expect(seen.map(({ stats }) => stats.ino)).toEqual(
      [oldest, middle, newest].map((file) => file?.stats.ino),
    )
    expect(newest && (await openFiles(log, newest))).toEqual([])
    for (const file of [oldest, middle, newest, ...seen]) await file?.handle.close()
  })
})

describe('following a log', () => {
  it('goes on across rotations without a line lost or doubled', async ({ log }) => {
    const writer = await openLog(log, { size: 20_000, keep: 8 })
    const controller = new AbortController()
    const read: string[] = []
    let written = 0
    const write = (count: number) => {
      let text = ''
      for (let i = 0; i < count; i++) text += `${written++} ${'x'.repeat(60)}\n`
      writer.write('stdout', Buffer.from(text))
    }
    write(100)
    await writer.flush()
    // Each time that all has been read, about a file's worth more is written, five times.
    for await (const { line } of readLog(log, { follow: true, signal: controller.signal, lines: 50 })) {
      read.push(line.split(' ')[0] ?? '')
      if (read.at(-1) !== String(written - 1)) continue
      if (written < 1000) write(180)
      else controller.abort()
    }
    await writer.close()
    expect(read).toEqual(Array.from({ length: written - 50 }, (_, i) => String(i + 50)))
    expect(written).toBe(1000)
  })

  it('begins before there is anything, and gives a line when it has ended', async ({ log }) => {
    await mkdir(log)
    const controller = new AbortController()
    const lines = readLog(log, { follow: true, signal: controller.signal })
    const first = lines.next()
    const writer = await openLog(log)
    writer.write('stdout', Buffer.from('be'))
    await writer.flush()
    writer.write('stdout', Buffer.from('gun\n'))
    expect((await first).value).toMatchObject({ line: 'begun' })
    const next = lines.next()
    controller.abort()
    expect(await next).toEqual({ done: true, value: undefined })
    await writer.close()
  })

  it('reads an entry that comes in parts once', async ({ log }) => {
    await mkdir(log)
    const place = join(log, 'current')
    await writeFile(place, entry('one') + entry('two').slice(0, -2))
    const lines = readLog(log, { follow: true })
    expect((await lines.next()).value).toMatchObject({ line: 'one' })
    const next = lines.next()
    await appendFile(place, 'o\n')
    expect((await next).value).toMatchObject({ line: 'two' })
    await lines.return(undefined)
  })

  it('ends at once when it is aborted already, and when the log is deleted', async ({ log }) => {
    await mkdir(log)
    await writeFile(join(log, 'current'), entry('one'))
    expect(await linesOf(log, { follow: true, signal: AbortSignal.abort() })).toEqual([])
    const lines = readLog(log, { follow: true })
    await lines.next()
    const next = lines.next()
    await rm(log, { recursive: true })
    expect(await next).toEqual({ done: true, value: undefined })
  })
})
