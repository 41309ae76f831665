// What a hostile server does, sin by sin.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'

/** What all its packages have in common. */
export const platform = { schema: 1, version: '1.0.0', os: 'any', arch: 'any' } as const

/** One request, and what an honest server would know to answer it. */
export interface Visit {
  request: IncomingMessage
  response: ServerResponse
  /** The bytes asked for, their ETag, and their name. */
  name: string
  bytes: Buffer
  etag: string
  /** How many requests for this name there were before. */
  before: number
  /** Where a Range request starts, where it may be honoured; 0 otherwise. */
  offset: number
  /** Milliseconds between two bytes. */
  pace: number
  url: string
}

type Act = (visit: Visit) => void

/** Answers as it should be done; `bytes` may be others than the true ones. */
function answer(visit: Visit, { bytes = visit.bytes, etag = visit.etag, range = true } = {}): void {
  const { response, request } = visit
  const fits = request.headers['if-range'] === undefined || request.headers['if-range'] === etag
  const offset = range && fits ? visit.offset : 0
  const headers = { etag, 'accept-ranges': 'bytes' }
  if (offset > 0 && offset >= bytes.length) {
    response.writeHead(416, { ...headers, 'content-range': `bytes */${bytes.length}` }).end()
    return
  }
  const rest = bytes.subarray(offset)
  const part = { 'content-range': `bytes ${offset}-${bytes.length - 1}/${bytes.length}` }
  response.writeHead(offset > 0 ? 206 : 200, {
    ...headers,
    'content-length': rest.length,
    ...(offset > 0 && part),
  })
  response.end(rest)
}

/** Announces everything, sends a part, and then does what `after` says. */
function begin(visit: Visit, count: number, after: () => void): void {
  const { response, bytes, etag } = visit
  response.writeHead(200, { etag, 'content-length': bytes.length })
  response.write(bytes.subarray(0, count), after)
}

const half = ({ bytes }: Visit): number => Math.floor(bytes.length / 2)
const cutFirst =
  (next: Act): Act =>
  (visit) =>
    visit.before === 0 ? begin(visit, half(visit), () => visit.response.destroy()) : next(visit)
const flipped = (bytes: Buffer): Buffer => {
  const other = Buffer.from(bytes)
  other[other.length - 1] = (other.at(-1) ?? 0) ^ 1
  return other
}
const part =
  (range: (visit: Visit) => string, etag?: string): Act =>
  (visit) => {
    const rest = visit.bytes.subarray(visit.offset)
    visit.response.writeHead(206, {
      etag: etag ?? visit.etag,
      'content-range': range(visit),
      'content-length': rest.length,
    })
    visit.response.end(rest)
  }
const status =
  (code: number, headers: Record<string, string> = {}): Act =>
  ({ response }) =>
    void response.writeHead(code, headers).end('no\n')

/** Every sin, by name. */
const sins = {
  none: (visit: Visit) => answer(visit),
  truncates: (visit: Visit) => begin(visit, 10, () => visit.response.destroy()),
  'truncates-once': cutFirst((visit) => answer(visit)),
  'ends-early': ({ response, bytes, etag }: Visit) =>
    void response.writeHead(200, { etag, connection: 'close' }).end(bytes.subarray(0, 10)),
  stalls: (visit: Visit) => begin(visit, 10, () => undefined),
  'stalls-once': (visit: Visit) =>
    visit.before === 0 ? begin(visit, half(visit), () => undefined) : answer(visit),
  drips: (visit: Visit) => {
    let at = 0
    begin(visit, 0, () => undefined)
    const timer = setInterval(() => visit.response.write(visit.bytes.subarray(at, ++at)), visit.pace)
    visit.response.on('close', () => clearInterval(timer))
  },
  'sends-more': ({ response, bytes, etag }: Visit) => {
    response.writeHead(200, { etag })
    response.end(Buffer.concat([bytes, Buffer.from('and more')]))
  },
  'never-ends': ({ response, etag }: Visit) => {
    response.writeHead(200, { etag })
    let left = 2 ** 28 // bytes: whoever falls for it shall not fill the disk of the machine
    const more = (): void => {
      while (left > 0 && !response.destroyed) {
        left -= 2 ** 16
        if (!response.write(Buffer.alloc(2 ** 16))) return
      }
      response.destroy()
    }
    response.on('drain', more)
    more()
  },
  'wrong-range': cutFirst(
    part(({ offset, bytes }) => `bytes ${offset + 1}-${bytes.length - 1}/${bytes.length}`),
  ),
  'no-range': cutFirst(part(() => 'bytes */*')),
  'other-file': cutFirst(
    part(({ offset, bytes }) => `bytes ${offset}-${bytes.length - 1}/${bytes.length + 7}`),
  ),
  'other-etag': cutFirst(
    part(({ offset, bytes }) => `bytes ${offset}-${bytes.length - 1}/${bytes.length}`, '"another"'),
  ),
  'unasked-part': part(({ bytes }) => `bytes 0-${bytes.length - 1}/${bytes.length}`),
  'unsatisfiable-for-ever': cutFirst(status(416, { 'content-range': 'bytes */3' })),
  'fails-in-the-middle': cutFirst((visit) =>
    visit.before < 3 ? status(503, { 'retry-after': '0' })(visit) : answer(visit),
  ),
  'fails-for-ever': status(500),
  'asks-to-wait': status(503, { 'retry-after': '86400' }),
  resets: (visit: Visit) => begin(visit, 10, () => visit.request.socket.resetAndDestroy()),
  'resets-once': (visit: Visit) =>
    visit.before === 0
      ? begin(visit, half(visit), () => visit.request.socket.resetAndDestroy())
      : answer(visit),
  'hangs-up': ({ request }: Visit) => void request.socket.destroy(),
  'redirects-for-ever': ({ response, url, name }: Visit) =>
    void response.writeHead(302, { location: `${url}/download/${name}?${Math.random()}` }).end(),
  'redirects-to-http': ({ response, name }: Visit) =>
    void response.writeHead(302, { location: `http://127.0.0.1:9/${name}` }).end(),
  'redirects-to-file': ({ response }: Visit) =>
    void response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
  'redirects-nowhere': status(302),
  'gzip-bomb': ({ response }: Visit) => {
    const bomb = gzipSync(Buffer.alloc(2 ** 24))
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': bomb.length }).end(bomb)
  },
  'wrong-size': (visit: Visit) => answer(visit, { bytes: visit.bytes.subarray(1) }),
  'wrong-digest': (visit: Visit) => answer(visit, { bytes: flipped(visit.bytes) }),
  'not-found': status(404),
  unauthorized: status(401, { 'www-authenticate': 'Bearer' }),
  teapot: status(418),
  'huge-headers': ({ response, bytes }: Visit) =>
    void response.writeHead(200, { 'x-much': 'x'.repeat(2 ** 17) }).end(bytes),
  'slow-headers': ({ request: { socket }, pace }: Visit) => {
    socket.write('HTTP/1.1 200 OK\r\nx-slow: ')
    const timer = setInterval(() => socket.write('z'), pace)
    socket.on('close', () => clearInterval(timer))
  },
  'not-http': ({ request }: Visit) => void request.socket.end('220 mail.example ESMTP\r\n'),
  changes: cutFirst((visit) => answer(visit, { bytes: flipped(visit.bytes), etag: '"changed"' })),
  'ignores-range': cutFirst((visit) => answer(visit, { range: false })),
} satisfies Record<string, Act>

type Text = readonly [type: string, text: (url: string) => string]

/** The sins of /list; on all others it is answered honestly, and with these everything else is. */
const listSins = {
  'not-json': ['application/json', () => '<html>It works!</html>'],
  'million-entries': [
    'application/json',
    () => JSON.stringify(Array.from({ length: 1e6 }, (_, n) => `app-1.0.${n}-linux-amd64`)),
  ],
  'evil-names': [
    'application/json',
    () =>
      JSON.stringify([
        '../app-1.0.0-any-any',
        'a/b-1.0.0-any-any',
        '/etc/c-1.0.0-any-any',
        '.d-1.0.0-any-any',
      ]),
  ],
  'evil-records': [
    'application/x-ndjson',
    (url) =>
      ['../app', 'a/b', '/etc/c', '..']
        .map((file) => JSON.stringify({ ...platform, name: 'app', file, url: `${url}/download/x` }))
        .join('\n'),
  ],
} satisfies Record<string, Text>

export type Sin = keyof typeof sins | keyof typeof listSins

/** All sins, by name. */
export const sinNames: readonly string[] = [...Object.keys(sins), ...Object.keys(listSins)]

export function isSin(name: string): name is Sin {
  return sinNames.includes(name)
}

/** Answers a visit as the sin has it; what the sin does not concern is answered honestly. */
export function commit(sin: Sin, visit: Visit): void {
  if (visit.name === 'list' && sin in listSins) {
    const [type, text] = listSins[sin as keyof typeof listSins]
    visit.response.writeHead(200, { 'content-type': type }).end(text(visit.url))
  } else if (visit.name === 'list' || sin in listSins) answer(visit)
  else sins[sin as keyof typeof sins](visit)
}
