import { once } from 'node:events'
import { PassThrough, Readable, Writable } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { isMalformed, maxLine, readItems, readLines, writeLine, writeText } from '../../src/package/ndjson.ts'
import { type Failure } from '../../src/package/record.ts'
import { createRandom } from './random.ts'

const record = { schema: 1, name: 'app', version: '1.0.0', os: 'linux', arch: 'amd64', file: 'app' }
const line = JSON.stringify(record)

const stream = (...chunks: (string | Uint8Array)[]): Readable => Readable.from(chunks, { objectMode: true })
const lines = async (...chunks: (string | Uint8Array)[]): Promise<(string | undefined)[]> =>
  (await Array.fromAsync(readLines(stream(...chunks)))).map(({ number, text }) => `${number}:${text ?? '?'}`)
const items = async (text: string) => Array.fromAsync(readItems('select', stream(Buffer.from(text))))

describe('lines of a stream', () => {
  it.each([
    ['nothing', '', []],
    ['only empty lines', '\n\r\n \n', []],
    ['a last line without newline', 'a\nb', ['1:a', '2:b']],
    ['a last line with one', 'a\nb\n', ['1:a', '2:b']],
    ['CRLF', 'a\r\nb\r\n', ['1:a', '2:b']],
    ['empty lines, which count', '\na\n\n\nb', ['2:a', '5:b']],
    ['a byte order mark', '\uFEFFa\nb', ['1:a', '2:b']],
    ['blanks around', '  a\t\n b ', ['1:a', '2:b']],
    ['signs that only look like newlines', 'a\u2028b\u0085c\vd\fe', ['1:a\u2028b\u0085c\vd\fe']],
  ])('are read with %s', async (_, text, expected) => {
    expect(await lines(Buffer.from(text))).toEqual(expected)
  })

  it('are the same wherever the stream is cut', async () => {
    const bytes = Buffer.from('\uFEFFä漢\r\n\n👩‍👩‍👧 x\n{"é":1}')
    const expected = ['1:ä漢', '3:👩‍👩‍👧 x', '4:{"é":1}']
    expect(await lines(bytes)).toEqual(expected)
    for (let at = 0; at <= bytes.length; at++)
      expect(await lines(bytes.subarray(0, at), bytes.subarray(at)), `cut at ${at}`).toEqual(expected)
    expect(await lines(...Array.from(bytes, (_, i) => bytes.subarray(i, i + 1)))).toEqual(expected)
  })

  it('are the same in chunks of any size', async () => {
    const random = createRandom()
    for (let round = 0; round < 100; round++) {
      const texts = Array.from({ length: 1 + random.below(20) }, () => 'ü'.repeat(random.below(40)) + 'x')
      const bytes = Buffer.from(texts.join('\n'))
      const chunks: Uint8Array[] = []
      for (let at = 0; at < bytes.length;) {
        const next = at + random.below(30)
        chunks.push(new Uint8Array(bytes.subarray(at, next)))
        at = next
      }
      expect(await lines(...chunks), `GUPPER_TEST_SEED=${random.seed}`).toEqual(
        texts.map((text, i) => `${i + 1}:${text}`),
      )
    }
  })

  it('come as soon as they are whole', async () => {
    const source = new PassThrough()
    const reader = readLines(source)
    source.write('first\nsec')
    expect((await reader.next()).value).toEqual({ number: 1, text: 'first' })
    source.end('ond')
    expect((await reader.next()).value).toEqual({ number: 2, text: 'second' })
  })

  it('may be as long as the limit, in bytes; a longer one is named and skipped', async () => {
    const read = async (text: string) => Array.fromAsync(readLines(stream(Buffer.from(text)), 4))
    expect(await read('abcd\nüü\nabcde\nüüü\nx')).toEqual([
      { number: 1, text: 'abcd' },
      { number: 2, text: 'üü' },
      { number: 3, text: undefined, complaint: 'longer than 4 bytes' },
      { number: 4, text: undefined, complaint: 'longer than 4 bytes' },
      { number: 5, text: 'x' },
    ])
  })

  it('of 100 MB are skipped in bounded memory, and the next is read', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const held = (): number => {
      collect()
      return process.memoryUsage().arrayBuffers
    }
    const chunk = Buffer.alloc(1 << 16, 'x')
    let most = 0
    async function* long(): AsyncGenerator<Buffer> {
      for (let sent = 0; sent < 100e6; sent += chunk.length) {
        if (sent % (chunk.length * 64) === 0) {
          await new Promise(setImmediate)
          most = Math.max(most, held())
        }
        yield Buffer.from(chunk)
      }
      yield Buffer.from('\nnext\n')
    }
    const before = held()
    const found = await Array.fromAsync(readLines(long()))
    expect(found).toEqual([
      { number: 1, text: undefined, complaint: 'longer than 16 MiB' },
      { number: 2, text: 'next' },
    ])
    expect(most - before).toBeLessThan(2 * maxLine)
  })

  it('that are not UTF-8 are named, not changed', async () => {
    const found = await Array.fromAsync(readLines(stream(Buffer.from([0x61, 0xff, 10, 0x62, 10]))))
    expect(found).toEqual([
      { number: 1, text: undefined, complaint: 'not UTF-8' },
      { number: 2, text: 'b' },
    ])
  })

  it('end with the failure of the stream', async () => {
    const source = new PassThrough()
    source.write('a\nb')
    const reader = readLines(source)
    await reader.next()
    source.destroy(new Error('cable cut'))
    await expect(reader.next()).rejects.toThrow('cable cut')
  })
})

describe('items of a stream', () => {
  it('are records and the failures of earlier steps', async () => {
    const failure = { error: { step: 'list', code: 'unreachable', exit: 69, message: 'no answer' }, extra: 1 }
    const found = await items(`${line}\r\n${JSON.stringify(failure)}\n`)
    expect(found).toEqual([record, failure])
    expect(isMalformed(found[1] as Failure)).toBe(false)
  })

  it.each([
    ['{"schema":1', 'line 2: not JSON: {"schema":1'],
    ['[]', 'line 2: not a JSON object'],
    ['"x"', 'line 2: not a JSON object'],
    ['null', 'line 2: not a JSON object'],
    ['{}', 'line 2: field "schema" is missing'],
    [line.replace('"app"', '5'), 'line 2: field "name" must be a name without slashes or control characters'],
    [`${line}${line}`, `line 2: not JSON: ${line.slice(0, 60)}…`],
    ['{"error":{}}', 'line 2: field "error.step" must be a non-empty string'],
  ])('become failures that name the line where they are neither: %j', async (text, message) => {
    const [first, second, third] = await items(`${line}\n${text}\n${line}\n`)
    expect([first, third]).toEqual([record, record])
    expect(second).toMatchObject({ error: { step: 'select', code: 'bad-record', exit: 65, message } })
    expect(isMalformed(second as Failure)).toBe(true)
  })

  it('keep a complaint short and whole letters in it', async () => {
    const [only] = await items(`${'x'.repeat(59)}😀${'x'.repeat(1e6)}`)
    const { message } = (only as Failure).error
    expect(message.isWellFormed()).toBe(true)
    expect(message.length).toBeLessThan(100)
  })

  it('may be nested, but not so deeply that they could not be written again', async () => {
    const nested = (depth: number): string =>
      `${line.slice(0, -1)},"x":${'['.repeat(depth)}${']'.repeat(depth)}}`
    const [fine] = await items(nested(150))
    expect(JSON.stringify(fine)).toHaveLength(nested(150).length)
    const [deep] = await items(nested(100_000))
    expect(deep).toMatchObject({ error: { exit: 65, message: 'line 1: nested too deeply' } })
  })

  it('may have fields that look like parts of every object', async () => {
    const [only] = await items(`${line.slice(0, -1)},"__proto__":{"size":-1},"constructor":1}`)
    expect(Object.keys(only ?? {})).toContain('__proto__')
    expect(JSON.stringify({ ...only })).toContain('"__proto__":{"size":-1}')
  })

  it('are read to the end however many lines are bad', async () => {
    const found = await items(`${'x\n'.repeat(5000)}${line}`)
    expect(found).toHaveLength(5001)
    expect(found.at(-1)).toEqual(record)
  })
})

describe('writing', () => {
  const collect = (): Writable & { text: string } =>
    Object.assign(
      new Writable({
        write(chunk: Buffer, _encoding, done) {
          ;(this as unknown as { text: string }).text += chunk.toString()
          done()
        },
      }),
      { text: '' },
    )

  it('puts each value on one line', async () => {
    const sink = collect()
    expect(await writeLine(sink, { a: 'one\ntwo', b: 'ü' })).toBe(true)
    expect(await writeLine(sink, record)).toBe(true)
    expect(sink.text).toBe(`{"a":"one\\ntwo","b":"ü"}\n${line}\n`)
  })

  it('waits for a reader that is slower', async () => {
    let release: (() => void) | undefined
    const sink = new Writable({ highWaterMark: 1, write: (_chunk, _encoding, done) => void (release = done) })
    let written = false
    const writing = writeText(sink, 'much').then((open) => {
      written = true
      return open
    })
    await new Promise(setImmediate)
    expect(written).toBe(false)
    release?.()
    expect(await writing).toBe(true)
  })

  it('says that the reader has gone, before or while it waits', async () => {
    const gone = new PassThrough()
    gone.destroy()
    expect(await writeText(gone, 'x')).toBe(false)
    const ended = new PassThrough()
    ended.end()
    expect(await writeText(ended, 'x')).toBe(false)

    const stuck = new Writable({ highWaterMark: 1, write: () => undefined })
    const writing = writeText(stuck, 'x')
    stuck.destroy()
    expect(await writing).toBe(false)

    const broken = new Writable({
      highWaterMark: 1,
      write: (_chunk, _encoding, done) => done(new Error('EPIPE')),
    })
    const seen = once(broken, 'error')
    expect(await writeText(broken, 'x')).toBe(false)
    await seen
  })

  it('leaves no listener behind', async () => {
    const sink = new PassThrough({ highWaterMark: 1 })
    sink.resume()
    const before = sink.eventNames().map((event) => sink.listenerCount(event))
    for (let i = 0; i < 50; i++) await writeText(sink, 'text')
    expect(sink.eventNames().map((event) => sink.listenerCount(event))).toEqual(before)
  })
})
