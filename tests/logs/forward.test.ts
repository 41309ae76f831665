import { Writable } from 'node:stream'
import { describe, expect } from 'vitest'
import { forwardLines } from '../../src/logs/forward.ts'
import { openLog } from '../../src/logs/writer.ts'
import { it } from './tools.ts'

/** Takes what it is given when it is let go on. */
class Slow extends Writable {
  readonly taken: Buffer[] = []
  #go: (() => void) | undefined
  #open: boolean

  constructor(open: boolean) {
    super()
    this.#open = open
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.taken.push(chunk)
    if (this.#open) done()
    else this.#go = done
  }

  go(): void {
    this.#open = true
    this.#go?.()
  }

  get text(): string {
    return Buffer.concat(this.taken).toString('latin1')
  }
}

describe('lines that are forwarded', () => {
  it('are whole, told apart by their prefix, and byte for byte what was written', async ({ log }) => {
    const writer = await openLog(log)
    const out = new Slow(true)
    const end = forwardLines(writer, out, { stderr: 'err| ', gupper: '$& ' })
    writer.write('stdout', Buffer.from('o'))
    writer.write('stderr', Buffer.from('e1\ne2\nhalf'))
    writer.write('stdout', Buffer.from([255, 254, 13, 10, 10]))
    writer.say('remark')
    writer.end('stderr')
    end()
    writer.say('not this')
    await writer.close()
    expect(out.text).toBe('err| e1\nerr| e2\no\xff\xfe\r\n\n$& remark\nerr| half\n')
  })

  it('are left out when more than 256 KiB waits, and one line says how many', async ({ log }) => {
    const writer = await openLog(log)
    const out = new Slow(false)
    forwardLines(writer, out, { gupper: 'gupper| ' })
    const line = `${'x'.repeat(1023)}\n`
    for (let i = 0; i < 3000; i++) writer.write('stdout', Buffer.from(line))
    expect(out.writableLength).toBeLessThan(2 ** 18 + 2 ** 16)
    const drained = new Promise((resolve) => out.once('drain', resolve))
    out.go()
    await drained
    writer.say('flows again')
    await new Promise<void>((resolve) => out.end(resolve))
    await writer.close()
    const lines = Buffer.from(out.text, 'latin1').toString().split('\n')
    const kept = lines.filter((text) => text.startsWith('x')).length
    expect(kept).toBeGreaterThan(200)
    expect(lines.slice(kept)).toEqual([
      `gupper| … ${3000 - kept} lines left out here; they are in the log`,
      'gupper| flows again',
      '',
    ])
  })

  it('end when nobody is there to read them, and the log goes on', async ({ log }) => {
    const writer = await openLog(log)
    const out = new Slow(true)
    forwardLines(writer, out)
    out.on('error', () => undefined)
    out.destroy(new Error('gone'))
    await new Promise((resolve) => out.once('close', resolve))
    writer.say('still')
    await writer.close()
    expect(out.text).toBe('')
    expect(writer.dropped).toBe(0)
  })
})
