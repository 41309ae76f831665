/** The head of an answer that can go to the client as it is. */
export interface SimpleHead {
  /** Bytes of the head. */
  size: number
  /** Bytes of the body. */
  length: number
  /** Bytes from where to where that do not go to the client; the same twice: all go. */
  from: number
  to: number
}

const longest = 16 << 10
const most = 128 // heads that are remembered: within a second many are the same
const known = new Map<string, SimpleHead | 'other'>()
const form =
  /^HTTP\/1\.1 [2-5]\d\d(?: [\t\x20-\x7e\x80-\xff]*)?(?:\r\n[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*)*$/
const special =
  /\r\n(connection|content-length|date|keep-alive|te|trailer|transfer-encoding|upgrade|proxy-[a-z-]+):[ \t]*([^\r]*)/gi

/**
 * Reads the head of an answer, if it is of the simplest kind: of HTTP/1.1, with one length and a date, in no coding, on a
 * connection that goes on. Everything else is for a real parser.
 * @returns 'more' when it has not come whole; undefined when it is of another kind
 */
export function readSimpleHead(bytes: Buffer): SimpleHead | 'more' | undefined {
  const text = bytes.toString('latin1', 0, longest)
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return bytes.length < longest ? 'more' : undefined
  const head = text.slice(0, end)
  let read = known.get(head)
  if (read === undefined) {
    if (known.size >= most) known.clear()
    read = readHead(head) ?? 'other'
    known.set(head, read)
  }
  return read === 'other' ? undefined : read
}

function readHead(head: string): SimpleHead | undefined {
  if (!form.test(head)) return undefined
  let length = -1
  let dated = false
  let from = 0
  let to = 0
  special.lastIndex = 0
  for (let found = special.exec(head); found !== null; found = special.exec(head)) {
    const [line, name = '', value = ''] = found
    switch (name.toLowerCase()) {
      case 'date':
        dated = true
        continue
      case 'connection':
        if (value.toLowerCase() !== 'keep-alive') return undefined
        continue
      case 'content-length':
        if (length >= 0 || !/^\d{1,15}$/.test(value)) return undefined
        length = Number(value)
        continue
      case 'keep-alive':
        if (to > 0) return undefined
        from = found.index
        to = from + line.length
        continue
      default:
        return undefined
    }
  }
  if (head.startsWith('204', 9) || head.startsWith('304', 9)) length = 0
  return dated && length >= 0 ? { size: head.length + 4, length, from, to } : undefined
}
