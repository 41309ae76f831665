import { Writable } from 'node:stream'

/** A stream that keeps what is written to it, each write apart. */
export function createSink(): Writable & { writes: string[]; readonly text: string } {
  const writes: string[] = []
  const sink = new Writable({
    decodeStrings: false,
    write(chunk: string, _encoding, done) {
      writes.push(chunk)
      done()
    },
  })
  return Object.defineProperties(sink, {
    writes: { value: writes },
    text: { get: () => writes.join('') },
  }) as Writable & { writes: string[]; readonly text: string }
}

/** What stands on the last line of a terminal after these writes. */
export function screenLine(text: string): string {
  return text.split(/\r\u001b\[K|\n/).at(-1) ?? ''
}
