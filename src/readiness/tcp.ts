import { once } from 'node:events'
import { connect } from 'node:net'
import { errnoOf } from '../errors.ts'
import { reach, show } from './address.ts'
import type { Check } from './check.ts'
import { asking, type Question } from './patience.ts'

const patience = 1000 // ms a try

const question: Question = async (candidate, signal) => {
  const to = reach(candidate, 'tcp')
  const ended = AbortSignal.any([signal, AbortSignal.timeout(patience)])
  const socket = connect('socketPath' in to ? { path: to.socketPath } : to)
  try {
    await once(socket, 'connect', { signal: ended })
    return undefined
  } catch (error) {
    signal.throwIfAborted()
    if (ended.aborted) return `${show(to)} took no connection within ${patience / 1000} s`
    const errno = errnoOf(error)
    if (errno === 'ECONNREFUSED' || errno === 'ENOENT') return `nothing listens at ${show(to)}`
    return `${show(to)}: ${errno ?? String(error)}`
  } finally {
    // What comes after the first error is of no interest any more.
    socket.on('error', () => undefined)
    socket.destroy()
  }
}

/** `tcp`: a connection is accepted. */
export function checkTcp(text: string): Check {
  return { text, ambiguous: true, prepare: () => Promise.resolve(asking(question)) }
}
