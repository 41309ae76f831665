import { GupperError } from '../errors.ts'
import { readBody } from './body.ts'
import { exchange, type Answer, type Connection } from './exchange.ts'
import { retrying, type RetryOptions } from './retry.ts'
import { Transient, refusalOf } from './trouble.ts'

/** What is wanted, and what is there already. */
export interface Wanted {
  url: string
  /** The source of the record; a bare token goes to its origin only. */
  source?: string | undefined
  /** The size of the whole in bytes, where it is known. */
  size?: number | undefined
  /** How many bytes are there already. */
  offset: number
  /** The strong ETag or the Last-Modified they came with; without it they are fetched again. */
  validator?: string | undefined
  /**
   * Whether the whole is held against a digest when it is there. Then what came from another mirror, or without a
   * validator, may be gone on with too.
   */
  hashed?: boolean | undefined
}

/** Where the bytes go. */
export interface Sink {
  /**
   * Called before the first byte of every answer.
   * @param start `offset`: where the bytes to come belong (0: what was there is another file's, start over); `total`: the
   * size of the whole, where it is known; `validator`: what to resume with
   */
  begin(start: { offset: number; total: number | undefined; validator: string | undefined }): Promise<void>
  /** Takes the next bytes; a promise means: wait before giving more. */
  write(chunk: Buffer): Promise<void> | undefined
}

interface State {
  offset: number
  validator: string | undefined
}

/**
 * Downloads a file into a sink, resuming as often as it takes (RFC 9110, sections 13 and 14).
 * @returns the size of the whole in bytes
 * @throws GupperError `wrong-size` (65), `protocol` (76), `not-found`, `denied` or `unreachable` (69)
 */
export async function download(
  connection: Connection,
  wanted: Wanted,
  sink: Sink,
  options: RetryOptions,
): Promise<number> {
  const { limits } = options
  const state: State = { offset: wanted.offset, validator: wanted.validator }
  if (state.validator === undefined && wanted.hashed !== true) state.offset = 0
  return retrying(options, async (left, progressed) => {
    const answer = await open(connection, wanted, state, sink, options.signal)
    if (answer === undefined) return state.offset
    const { body, end } = answer
    let since = 0
    for await (const chunk of readBody(body, { ...limits, total: left, signal: options.signal })) {
      state.offset += chunk.length
      since += chunk.length
      if (end !== undefined && state.offset > end) throw tooMuch(body.url, end)
      if (state.offset > limits.maxDownload && wanted.size === undefined)
        throw new GupperError('too-large', `${body.url} is larger than ${limits.maxDownload} bytes`)
      // Bytes dripped one by one are no progress: only what an honest link brings lets the tries start again.
      if (since >= (limits.rate * limits.rateWindow) / 1000) progressed()
      const full = sink.write(chunk)
      if (full !== undefined) await full
    }
    const whole = wanted.size ?? end
    if (whole !== undefined && state.offset < whole)
      throw new Transient(`${body.url} ended after ${state.offset} of ${whole} bytes`, { code: 'wrong-size' })
    return state.offset
  })
}

/** Sends the request for what is missing; undefined when nothing is. */
async function open(
  connection: Connection,
  wanted: Wanted,
  state: State,
  sink: Sink,
  signal: AbortSignal | undefined,
): Promise<{ body: Answer; end: number | undefined } | undefined> {
  const { url, source, size } = wanted
  if (state.validator === undefined && wanted.hashed !== true) state.offset = 0
  const resume = state.offset > 0
  const headers = {
    accept: '*/*',
    range: resume ? `bytes=${state.offset}-` : undefined,
    'if-range': resume ? state.validator : undefined,
  }
  const answer = await exchange(connection, { url, headers, source, signal })
  if (answer.status === 416 && resume) {
    answer.body.destroy()
    const total = /^bytes \*\/(\d{1,15})$/.exec(answer.headers.get('content-range') ?? '')?.[1]
    if (Number(total) === state.offset && (size ?? state.offset) === state.offset) return undefined
    state.offset = 0
    return open(connection, wanted, state, sink, signal)
  }
  try {
    const end =
      resume && answer.status === 206 ? readRange(answer, wanted, state) : startOver(answer, wanted, state)
    await sink.begin({ offset: state.offset, total: end, validator: state.validator })
    return { body: answer, end }
  } catch (error) {
    answer.body.destroy()
    throw error
  }
}

/** Reads a 206: it must be exactly the rest of the file we have the beginning of. */
function readRange(answer: Answer, { size }: Wanted, { offset, validator }: State): number {
  const { headers, url } = answer
  const range = headers.get('content-range') ?? ''
  const [, first, last, total] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(range) ?? []
  const rest = Number(total) - offset
  const etag = headers.get('etag')
  const fits =
    Number(first) === offset &&
    Number(last) === Number(total) - 1 &&
    Number(total) === (size ?? Number(total)) &&
    (lengthOf(answer) ?? rest) === rest &&
    (etag === null || !validator?.startsWith('"') || etag === validator)
  if (!fits)
    throw new GupperError(
      'protocol',
      `${url} was asked for the bytes from ${offset} on and answered with "${range}"`,
    )
  return Number(total)
}

/** Reads a 200: the whole file, from its beginning. */
function startOver(answer: Answer, { size }: Wanted, state: State): number | undefined {
  const { status, headers, url } = answer
  if (status === 206)
    throw new GupperError('protocol', `${url} answered with a part, but the whole was asked for`)
  if (status !== 200) throw refusalOf(status, url, headers.get('retry-after'))
  const length = lengthOf(answer)
  if (size !== undefined && length !== undefined && length !== size)
    throw new GupperError('wrong-size', `${url} has ${length} bytes, not ${size}`)
  const etag = headers.get('etag')
  state.offset = 0
  state.validator = etag?.startsWith('"') ? etag : (headers.get('last-modified') ?? undefined)
  return length ?? size
}

function lengthOf({ headers }: Answer): number | undefined {
  const text = headers.get('content-length')
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

function tooMuch(url: string, end: number): GupperError {
  return new GupperError('wrong-size', `${url} sent more than ${end} bytes`)
}
