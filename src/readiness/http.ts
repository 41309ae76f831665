import { Agent, request, type IncomingMessage } from 'node:http'
import { errnoOf } from '../errors.ts'
import { reach, show } from './address.ts'
import type { Check } from './check.ts'
import { asking, type Question } from './patience.ts'

const patience = 1000 // ms a try
const mostBody = 64 << 10 // bytes

/**
 * `http:/path` and `http:/path=text`: GET answers 2xx or 3xx, and with a text, the answer holds it. Redirects are not
 * followed. `{version}` stands for the version.
 * @param text the check as it was written
 * @param path what is asked for
 * @param wanted what the answer must hold
 */
export function checkHttp(text: string, path: string, wanted: string | undefined): Check {
  const question: Question = async (candidate, signal) => {
    const to = reach(candidate, 'http')
    const target = path.replaceAll('{version}', encodeURIComponent(candidate.version))
    const held = wanted?.replaceAll('{version}', candidate.version)
    const ended = AbortSignal.any([signal, AbortSignal.timeout(patience)])
    try {
      const { status, body } = await get({ ...to, path: target }, held !== undefined, ended)
      if (status < 200 || status > 399) return `GET ${target} answered ${status}`
      if (held === undefined || body.includes(held)) return undefined
      return `GET ${target} answered ${quote(body)}, which does not hold ${quote(held)}`
    } catch (error) {
      signal.throwIfAborted()
      if (ended.aborted) return `GET ${target} was not answered within ${patience / 1000} s`
      return describe(error, `GET ${target}`, show(to))
    }
  }
  const ambiguous = wanted?.includes('{version}') !== true
  return { text, ambiguous, prepare: () => Promise.resolve(asking(question)) }
}

function describe(error: unknown, what: string, where: string): string {
  const errno = errnoOf(error)
  if (errno === 'ECONNREFUSED' || errno === 'ENOENT') return `nothing listens at ${where}`
  if (errno === 'ECONNRESET') return `${what}: the connection was closed without an answer`
  return `${what}: ${errno ?? (error instanceof Error ? error.message : String(error))}`
}

const quote = (text: string): string => JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text)

async function get(
  to: { path: string } & ({ host: string; port: number } | { socketPath: string }),
  wantsBody: boolean,
  signal: AbortSignal,
): Promise<{ status: number; body: string }> {
  const agent = new Agent({ keepAlive: false })
  try {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      request({ ...to, agent, signal, headers: { 'User-Agent': 'gupper' } }, resolve)
        .on('error', reject)
        .end()
    })
    return { status: answer.statusCode ?? 0, body: wantsBody ? await read(answer) : '' }
  } finally {
    agent.destroy()
  }
}

// Leaving the loop destroys the answer: of one without an end, the first part is enough.
async function read(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    size += chunk.length
    if (size >= mostBody) break
  }
  return Buffer.concat(chunks).subarray(0, mostBody).toString()
}
