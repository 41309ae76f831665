import type { IncomingMessage, ServerResponse } from 'node:http'
import { GupperError, type ErrorCode } from '../errors.ts'
import type { Observer } from '../package/observer.ts'
import { refuse, sendJson } from './answer.ts'
import type { ServiceView } from './service-view.ts'

const actions = ['check', 'upgrade', 'rollback', 'freeze', 'unfreeze', 'restart'] as const
export type Action = (typeof actions)[number]

const mostBody = 4 << 10
const versionForm = /^[\x21-\x7e]{1,256}$/

/** Reads the name of an action. */
export function readAction(word: string): Action | undefined {
  return actions.find((action) => action === word)
}

/**
 * `POST /actions/ACTION` of someone who may: does it and says what came of it, `{"result": "…"}`.
 * The body is `{}`, or `{"version": "1.2.3"}` to go back to a certain version.
 */
export async function serveAction(
  req: IncomingMessage,
  res: ServerResponse,
  action: Action,
  view: ServiceView,
  observer: Observer,
): Promise<void> {
  const type = req.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json') {
    refuse(res, 415, 'usage', 'the body has to be application/json', { Accept: 'application/json' })
    return
  }
  const body = await readBody(req)
  if (body === undefined) {
    refuse(res, 413, 'usage', `the body is longer than ${mostBody} bytes`, { Connection: 'close' })
    return
  }
  try {
    const version = readVersion(body, action)
    observer.info(`${action}${version === undefined ? '' : ` to ${version}`}: asked for on the web page`)
    req.socket.setTimeout(0) // it takes as long as it takes
    sendJson(res, 200, { result: await view.act(action, version) })
  } catch (error) {
    if (!(error instanceof GupperError)) throw error
    const { code, message, hint } = error
    refuse(res, statusOf(code), code, message, {}, hint)
  }
}

async function readBody(req: IncomingMessage): Promise<string | undefined> {
  if (Number(req.headers['content-length'] ?? 0) > mostBody) return undefined
  const chunks: Buffer[] = []
  let length = 0
  // The connection is still wanted for the answer.
  for await (const chunk of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > mostBody) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function readVersion(body: string, action: Action): string | undefined {
  const wrong = (why: string): GupperError =>
    new GupperError('usage', why, { hint: 'the body is {} or, for a rollback, {"version":"1.2.3"}' })
  let value: unknown
  try {
    value = body === '' ? {} : JSON.parse(body)
  } catch {
    throw wrong('the body is no JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrong('the body is no JSON object')
  const { version, ...others } = value as Record<string, unknown>
  const [other] = Object.keys(others)
  if (other !== undefined) throw wrong(`nothing is known of ${JSON.stringify(other)}`)
  if (version === undefined || version === '') return undefined
  if (action !== 'rollback') throw wrong(`${action} takes no version`)
  if (typeof version !== 'string' || !versionForm.test(version)) throw wrong('that is no version')
  return version
}

const statuses: Partial<Record<ErrorCode, number>> = {
  usage: 400,
  unreachable: 502,
  denied: 502,
  protocol: 502,
  redirect: 502,
  'too-large': 502,
  bug: 500,
  'cannot-read': 500,
  'cannot-write': 500,
  'no-space': 500,
  config: 500,
  stuck: 503,
  'not-running': 503,
}

// Most failures come of how things stand: RFC 9110 §15.5.10.
const statusOf = (code: ErrorCode): number => statuses[code] ?? 409
