import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { readStream } from '../../src/logs/stream.ts'
import { openLog, type LogWriter } from '../../src/logs/writer.ts'
import { condition, holding, it, linesOf, listening, makeFifo, runInto, sizeOf, textsOf } from './tools.ts'

// Numbered lines of 100 bytes, as fast as they go.
const flood = (lines: number): string[] => [
  '-e',
  `const { writeSync } = require('node:fs')
   for (let i = 0; i < ${lines}; ) {
     let text = ''
     for (const end = i + 1000; i < end; i++) text += String(i).padStart(9, '0') + ' ' + 'x'.repeat(89) + '\\n'
     const bytes = Buffer.from(text)
     for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at)
   }`,
]

const openFiles = (): number => readdirSync('/proc/self/fd').length

describe('the stream of a program', () => {
  it('is kept to its end, and the end is seen when the program has gone', async ({ directory, log }) => {
    const writer = await openLog(log)
    const { reading } = await runInto(writer, makeFifo(join(directory, 'out')), 'printf', ['one\ntwo\nlast'])
    await reading.ended
    await writer.close()
    expect(textsOf(await linesOf(log))).toEqual(['one', 'two', 'last'])
  })

  it('waits for a program that comes later', async ({ directory, log }) => {
    const writer = await openLog(log)
    const fifo = makeFifo(join(directory, 'out'))
    const reading = readStream(fifo, 'stdout', writer)
    // Going once round the event loop shows whether an end is seen too early.
    await new Promise((resolve) => setImmediate(resolve))
    await holding(fifo, (fd) => once(spawn('echo', ['here'], { stdio: ['ignore', fd, 'ignore'] }), 'exit'))
    await reading.ended
    await writer.close()
    expect(textsOf(await linesOf(log))).toEqual(['here'])
  })

  it('ends when its writer is killed, with the half line it had written', async ({ directory, log }) => {
    const writer = await openLog(log)
    const half = condition(() => writer.bytes === 9)
    writer.tap(half.check)
    const { program, reading } = await runInto(writer, makeFifo(join(directory, 'out')), 'sh', [
      '-c',
      'printf "one\nhalf "; exec sleep 1000',
    ])
    half.check()
    // The tap comes after the count of bytes and before the packer: by then all is taken.
    await half.met
    program.kill('SIGKILL')
    await reading.ended
    await writer.close()
    expect(textsOf(await linesOf(log))).toEqual(['one', 'half '])
  })

  it('ends when the last of two writers has gone, and their lines are whole', async ({ directory, log }) => {
    const writer = await openLog(log)
    const fifo = makeFifo(join(directory, 'out'))
    const { reading } = await runInto(writer, fifo, 'sh', [
      '-c',
      'for i in 1 2 3 4 5 6 7 8 9; do echo a$i; done & for i in 1 2 3 4 5 6 7 8 9; do echo b$i; done; wait',
    ])
    await reading.ended
    await writer.close()
    const lines = textsOf(await linesOf(log))
    for (const name of ['a', 'b'])
      expect(lines.filter((line) => line.startsWith(name))).toEqual(
        [1, 2, 3, 4, 5, 6, 7, 8, 9].map((number) => `${name}${number}`),
      )
    expect(lines).toHaveLength(18)
  })

  it('is let go of with all that is in the pipe, and can be taken up again', async ({ directory, log }) => {
    const fifo = makeFifo(join(directory, 'out'))
    const before = openFiles()
    await holding(fifo, async (fd) => {
      const writer = await openLog(log)
      const reading = readStream(fifo, 'stdout', writer)
      const write = (text: string) => spawnSync('printf', [text], { stdio: ['ignore', fd, 'ignore'] })
      write('in the pipe\nhalf ')
      await reading.stop()
      await reading.ended
      expect(writer.bytes).toBe(17)
      await writer.close()
      write('a line\nwaits')
      const second = await openLog(log)
      const again = readStream(fifo, 'stdout', second)
      await again.stop()
      await again.stop()
      second.end('stdout')
      await second.close()
    })
    expect(textsOf(await linesOf(log))).toEqual(['in the pipe', 'half a line', 'waits'])
    expect(openFiles()).toBe(before)
  })

  it('cannot be read where there is none', async ({ directory, log }) => {
    const writer = await openLog(log)
    const nowhere = join(directory, 'none')
    expect(() => readStream(nowhere, 'stdout', writer)).toThrow(
      expect.objectContaining({
        code: 'cannot-read',
        message: `cannot read ${nowhere}: no such file or directory`,
      }) as Error,
    )
    await writer.close()
  })

  it('of 200 MB as fast as it can loses nothing, in bounded space and memory', async ({
    directory,
    log,
    annotate,
  }) => {
    const [size, keep] = [2 ** 21, 3]
    const writer = await openLog(log, { size, keep })
    const before = process.memoryUsage().arrayBuffers
    let [last, longest, most, largest] = [performance.now(), 0, 0, 0]
    const timer = setInterval(() => {
      const now = performance.now()
      longest = Math.max(longest, now - last)
      last = now
      most = Math.max(most, process.memoryUsage().arrayBuffers - before)
    }, 1)
    writer.onDrain(() => {
      largest = Math.max(largest, process.memoryUsage().arrayBuffers - before)
    })
    const lines = 2_000_000
    const started = performance.now()
    const fifo = makeFifo(join(directory, 'out'))
    const { reading } = await runInto(writer, fifo, process.execPath, flood(lines))
    await reading.ended
    await writer.close()
    clearInterval(timer)
    const speed = Math.round((lines * 0.1) / (performance.now() - started))
    await annotate(`${speed} MB/s, longest standstill ${longest.toFixed(1)} ms, memory ${most >> 20} MiB`)
    expect(writer).toMatchObject({ bytes: lines * 100, dropped: 0 })
    expect(await sizeOf(log)).toBeLessThanOrEqual(size * keep)
    expect(Math.max(most, largest)).toBeLessThan(100 * 2 ** 20)
    const kept = textsOf(await linesOf(log))
    const first = Number(kept[0]?.slice(0, 9))
    expect(kept.length).toBeGreaterThan(((size * (keep - 1)) / 140) * 0.99)
    expect(first + kept.length).toBe(lines)
    expect(kept.every((line, i) => Number(line.slice(0, 9)) === first + i && line.length === 99)).toBe(true)
  })

  it('goes on while the disk is full: the oldest file makes room', async ({ directory, skip }) => {
    const small = mountSmall(directory) ?? skip('needs the right to mount a small file system')
    const { observer, warnings } = listening()
    const log = join(small, 'log')
    const writer = await openLog(log, { size: 300_000, keep: 3 }, observer)
    try {
      await flooded(writer, makeFifo(join(directory, 'out')), 5000)
      spawnSync('sh', ['-c', `cat /dev/zero > ${small}/filler`])
      await flooded(writer, join(directory, 'out'), 5000)
      expect(writer).toMatchObject({ bytes: 1_000_000, dropped: 0 })
      expect(warnings).toEqual([])
      expect(textsOf(await linesOf(log)).at(-1)).toMatch(/^000004999 /)
    } finally {
      await writer.close()
      execFileSync('umount', [small])
    }
  })

  it('goes on while the disk is full: what is missing is counted, and said when there is room again', async ({
    directory,
    skip,
  }) => {
    const small = mountSmall(directory) ?? skip('needs the right to mount a small file system')
    const { observer, warnings } = listening()
    const log = join(small, 'log')
    const writer = await openLog(log, {}, observer)
    try {
      await flooded(writer, makeFifo(join(directory, 'out')), 1000)
      spawnSync('sh', ['-c', `cat /dev/zero > ${small}/filler`])
      await flooded(writer, join(directory, 'out'), 20_000)
      expect(writer.bytes).toBe(2_100_000)
      expect(writer.dropped).toBeGreaterThan(1_000_000)
      expect(warnings).toHaveLength(1)
      expect(warnings[0]).toContain(`cannot write the log ${log}: no space left on the device`)
      const { dropped } = writer
      await rm(join(small, 'filler'))
      writer.write('stderr', Buffer.from('here again\n'))
      await writer.close()
      expect(writer.dropped).toBe(dropped)
      const lines = await linesOf(log)
      expect(lines.at(-1)).toMatchObject({ stream: 'stderr', line: 'here again' })
      const said = textsOf(lines.filter(({ stream }) => stream === 'gupper'))
      expect(said.reduce((sum, line) => sum + parseInt(line), 0)).toBe(dropped)
      expect(said[0]).toMatch(/^\d+ bytes are missing here: the log could not be written$/)
      const kept = textsOf(lines.filter(({ stream }) => stream === 'stdout'))
      for (const line of kept) expect(line).toMatch(/^\d{9} x{89}$/)
      expect(kept.length * 100 + dropped).toBe(2_100_000)
    } finally {
      await writer.close()
      execFileSync('umount', [small])
    }
  })
})

/** Writes so many lines through a FIFO. */
async function flooded(writer: LogWriter, fifo: string, lines: number): Promise<void> {
  const { reading } = await runInto(writer, fifo, process.execPath, flood(lines))
  await reading.ended
  await writer.flush()
}

/** A file system of 1 MiB, or undefined where none may be mounted. */
function mountSmall(directory: string): string | undefined {
  const small = join(directory, 'small')
  mkdirSync(small)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small]).status === 0
  return mounted ? small : undefined
}
