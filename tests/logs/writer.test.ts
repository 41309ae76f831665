import { appendFile, chmod, mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import type { LogLine } from '../../src/logs/log.ts'
import { openLog } from '../../src/logs/writer.ts'
import { createRandom } from '../package/random.ts'
import { unprivileged } from '../unprivileged.ts'
import { entriesOf, entry, filesOf, it, linesOf, listening, textsOf } from './tools.ts'

const bytes = (text: string): Buffer => Buffer.from(text)

describe('the log of a program', () => {
  it('has an entry a line, with its time and stream, as Kubernetes writes them', async ({ log }) => {
    const writer = await openLog(log)
    writer.write('stdout', bytes('one\ntwo\n'))
    writer.write('stderr', bytes('oh\n'))
    writer.say('started')
    await writer.close()
    const [file] = await filesOf(log)
    const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z`
    expect(file?.bytes.toString()).toMatch(
      new RegExp(
        `^${time} stdout F one\n${time} stdout F two\n${time} stderr F oh\n${time} gupper F started\n$`,
      ),
    )
    expect(writer).toMatchObject({ bytes: 11, dropped: 0 })
  })

  it('is for its owner only', async ({ log }) => {
    const writer = await openLog(log)
    writer.say('x')
    await writer.close()
    expect((await stat(log)).mode & 0o777).toBe(0o700)
    expect((await stat(join(log, 'current'))).mode & 0o777).toBe(0o600)
  })

  it('keeps lines of the two streams apart, however they come', async ({ log }) => {
    const writer = await openLog(log)
    for (const part of ['a', 'b', 'c\n', 'd\ne', 'f\n']) {
      writer.write('stdout', bytes(part))
      writer.write('stderr', bytes(part.toUpperCase()))
    }
    await writer.close()
    expect(await entriesOf(log)).toEqual([
      'stdout F abc',
      'stderr F ABC',
      'stdout F d',
      'stderr F D',
      'stdout F ef',
      'stderr F EF',
      '',
    ])
  })

  it('keeps carriage returns, empty lines, and bytes that are not UTF-8', async ({ log }) => {
    const writer = await openLog(log)
    const all = Buffer.from([...Array(256).keys()])
    writer.write('stdout', Buffer.concat([bytes('\n\na\r\n'), all, bytes('\n'), all, bytes('$& $1\n')]))
    await writer.close()
    const [before, after] = all.toString('latin1').split('\n')
    expect(await entriesOf(log)).toEqual(
      ['', '', 'a\r', before, after, before, `${after ?? ''}$& $1`]
        .map((line) => `stdout F ${line ?? ''}`)
        .concat(''),
    )
  })

  it('is the same whatever chunks the bytes come in', async ({ directory }) => {
    const random = createRandom()
    const below = (limit: number): number => random.below(limit)
    for (let round = 0; round < 10; round++) {
      const lines = Array.from({ length: 40 }, () =>
        Buffer.alloc(
          below(4) === 0 ? 16_380 + below(10) : below(7) === 0 ? below(50_000) : below(200),
          97 + below(26),
        ),
      )
      const all = Buffer.concat(lines.flatMap((line) => [line, bytes('\n')])).subarray(
        0,
        -below(2) || undefined,
      )
      const logs: string[][] = []
      for (const largest of [all.length, 1 + below(100), 1 + below(20_000), 65_536]) {
        const log = join(directory, `${round}-${logs.length}`)
        const writer = await openLog(log, { size: 40_000 + round * 1000, keep: 100 })
        for (let at = 0; at < all.length;) {
          const length = largest === all.length ? largest : 1 + below(largest)
          writer.write('stdout', all.subarray(at, at + length))
          at += length
        }
        writer.end('stdout')
        await writer.close()
        const files = await filesOf(log)
        logs.push([...files.map(({ name, bytes }) => `${name} ${bytes.length}`), ...(await entriesOf(log))])
        expect(textsOf(await linesOf(log)).join('\n')).toBe(all.toString().replace(/\n$/, ''))
      }
      for (const other of logs) expect(other, `seed ${random.seed}`).toEqual(logs[0])
    }
  })

  it('takes a line of any length in pieces', async ({ log }) => {
    const writer = await openLog(log, { size: 2 ** 22, keep: 5 })
    const chunk = Buffer.alloc(64 * 1024, 'x')
    for (let i = 0; i < 160; i++) {
      if (writer.write('stdout', chunk)) continue
      await new Promise<void>((resolve) => {
        const end = writer.onDrain(() => {
          end()
          resolve()
        })
      })
    }
    writer.write('stderr', bytes('between\n'))
    writer.write('stdout', bytes('\nnext\n'))
    await writer.close()
    const entries = await entriesOf(log)
    const long = entries.filter((line) => line.startsWith('stdout P '))
    expect(long.length).toBe(639)
    expect(new Set(long.map(({ length }) => length))).toEqual(new Set(['stdout P '.length + 16_384]))
    expect(entries.slice(-4)).toEqual([
      'stderr F between',
      `stdout F ${'x'.repeat(16_384)}`,
      'stdout F next',
      '',
    ])
    const lines = textsOf(await linesOf(log))
    expect(lines.map(({ length }) => length)).toEqual([7, 160 * 64 * 1024, 4])
  })

  it('has a last line without line feed when the stream ends', async ({ log }) => {
    const writer = await openLog(log)
    writer.write('stdout', bytes('a\nlast'))
    writer.end('stdout')
    writer.end('stdout')
    writer.end('stderr')
    await writer.close()
    expect(await entriesOf(log)).toEqual(['stdout F a', 'stdout F last', ''])
  })

  it('goes on with an unfinished line when another writer comes', async ({ log }) => {
    const first = await openLog(log)
    first.write('stdout', bytes('begun '))
    await first.close()
    const second = await openLog(log)
    second.write('stdout', bytes('and done\nnext\nopen'))
    await second.close()
    const third = await openLog(log)
    third.end('stdout')
    third.write('stdout', bytes('of another program\n'))
    await third.close()
    expect(textsOf(await linesOf(log))).toEqual(['begun and done', 'next', 'open', 'of another program'])
  })

  it('begins on a line of its own after an entry that was torn', async ({ log }) => {
    await mkdir(log)
    await writeFile(join(log, 'current'), entry('whole') + entry('torn').slice(0, -3))
    const writer = await openLog(log)
    writer.write('stdout', bytes('next\n'))
    await writer.close()
    await appendFile(join(log, 'current'), '2026-11-21T06:1')
    const again = await openLog(log)
    again.say('again')
    await again.close()
    expect(textsOf(await linesOf(log))).toEqual(['whole', 'to', 'next', 'again'])
  })
})

describe('the files of a log', () => {
  it('change at the very entry that has no room any more', async ({ log }) => {
    const length = entry('x'.repeat(60)).length
    const size = length * 20
    const writer = await openLog(log, { size, keep: 3 })
    for (let i = 0; i < 20; i++) writer.write('stdout', bytes(`${String(i).padEnd(60, 'x')}\n`))
    await writer.flush()
    expect((await filesOf(log)).map(({ name, bytes }) => [name, bytes.length])).toEqual([['current', size]])
    writer.write('stdout', bytes(`${'y'.repeat(60)}\n`))
    await writer.flush()
    expect((await filesOf(log)).map(({ name, bytes }) => [name, bytes.length])).toEqual([
      ['1', size],
      ['current', length],
    ])
    writer.write('stdout', bytes(`${'z'.repeat(61)}\n`.repeat(100)))
    await writer.close()
    const files = await filesOf(log)
    expect(files.map(({ name }) => name)).toEqual(['2', '1', 'current'])
    for (const { bytes } of files) expect(bytes.at(-1)).toBe(10)
    expect(files.map(({ bytes }) => bytes.length)).toEqual([
      19 * (length + 1),
      19 * (length + 1),
      6 * (length + 1),
    ])
  })

  it('are no more and no larger than allowed, whatever was there before', async ({ log }) => {
    await mkdir(log)
    for (const name of ['current', '1', '2', '7']) await writeFile(join(log, name), entry(name).repeat(100))
    const writer = await openLog(log, { size: 2000, keep: 2 })
    writer.write('stdout', bytes('new\n'))
    await writer.flush()
    expect((await filesOf(log)).map(({ name }) => name)).toEqual(['1', 'current'])
    writer.write('stdout', bytes('more\n'.repeat(1000)))
    await writer.close()
    const files = await filesOf(log)
    expect(files.map(({ name }) => name)).toEqual(['1', 'current'])
    for (const { bytes } of files) expect(bytes.length).toBeLessThanOrEqual(2000)
  })

  it('may be a single one', async ({ log }) => {
    const writer = await openLog(log, { size: 1024, keep: 1 })
    for (let i = 0; i < 100; i++) writer.write('stdout', bytes(`line ${i}\n`))
    await writer.close()
    expect((await filesOf(log)).map(({ name }) => name)).toEqual(['current'])
    expect(textsOf(await linesOf(log)).at(-1)).toBe('line 99')
  })

  it('are made again where they cannot be written: bytes are dropped, counted, and told of once', async ({
    directory,
    log,
  }) => {
    await mkdir(log)
    await writeFile(join(log, 'current'), entry('old'))
    const { observer, warnings } = listening()
    await chmod(join(log, 'current'), 0o400)
    await unprivileged(directory, async () => {
      const writer = await openLog(log, {}, observer)
      writer.write('stdout', bytes('lost\n'))
      await writer.flush()
      writer.write('stdout', bytes('lost too\n'))
      await writer.flush()
      expect(writer).toMatchObject({ bytes: 14, dropped: 14 })
      expect(warnings).toEqual([
        `cannot write the log ${log}: permission denied; what the program writes is not kept until it can be written again`,
      ])
      await chmod(join(log, 'current'), 0o600)
      writer.write('stdout', bytes('kept\n'))
      await writer.close()
      expect(warnings).toHaveLength(1)
      expect(textsOf(await linesOf(log))).toEqual([
        'old',
        '14 bytes are missing here: the log could not be written',
        'kept',
      ])
    })
  })

  it('need a directory that can be made', async ({ directory }) => {
    await writeFile(join(directory, 'file'), '')
    await expect(openLog(join(directory, 'file'))).rejects.toMatchObject({
      code: 'cannot-write',
      message: expect.stringContaining(join(directory, 'file')) as string,
    })
  })
})

describe('a listener of lines', () => {
  it('is handed each line as it ends, with time and stream', async ({ log }) => {
    const writer = await openLog(log)
    const lines: LogLine[] = []
    writer.write('stdout', bytes('before\nbeg'))
    const end = writer.onLine((line) => lines.push(line))
    writer.write('stdout', bytes('un\ntw'))
    writer.write('stderr', bytes('err\n'))
    writer.write('stdout', bytes('o\n\nlast'))
    writer.say('remark')
    writer.end('stdout')
    end()
    writer.write('stdout', bytes('after\n'))
    await writer.close()
    expect(lines.map(({ stream, line }) => `${stream} ${line}`)).toEqual([
      'stdout begun',
      'stderr err',
      'stdout two',
      'stdout ',
      'gupper remark',
      'stdout last',
    ])
    for (const { time } of lines) expect(new Date(time).toISOString()).toBe(time)
  })

  it('gets a long line cut to 64 KiB, in one chunk or many', async ({ log }) => {
    const writer = await openLog(log)
    const lengths: number[] = []
    writer.onLine(({ line }) => lengths.push(line.length))
    for (let i = 0; i < 20; i++) writer.write('stdout', Buffer.alloc(10_000, 'x'))
    writer.write('stdout', bytes('\nshort\n'))
    writer.write('stdout', bytes(`${'y'.repeat(100_000)}\nshort\n`))
    await writer.close()
    expect(lengths).toEqual([65_536, 5, 65_536, 5])
  })
})
