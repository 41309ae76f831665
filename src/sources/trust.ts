import { open } from 'node:fs/promises'
import path from 'node:path'
import { explain, GupperError } from '../errors.ts'
import { silent } from '../package/observer.ts'
import { withoutCredentials } from '../net/client.ts'
import { readClock, warnOfClock } from '../store/clock.ts'
import { findTrusted } from '../store/heritage.ts'
import { openTrustedStore } from '../store/trusted.ts'
import { metadataLimits } from '../trust/tuf/limits.ts'
import { refresh } from '../trust/tuf/refresh.ts'
import { openTrusted, selfSigned, type Trusted } from '../trust/tuf/trusted.ts'
import { withMirrors } from './mirrors.ts'
import type { SourceOptions } from './source.ts'
import { openTransport, type Transport } from './transport/transport.ts'

/** Whom to trust, and where what was trusted before is kept. */
export interface TrustOptions extends SourceOptions {
  /** The file of the root of trust: any root.json of the repository. */
  root: string
  /** Where this machine's state is kept. */
  home: string
}

/** One root of trust: opens repositories that it speaks for. */
export interface Trust {
  /**
   * Brings the metadata up to date from one of several mirrors, does something with it, and keeps what was proven.
   * Mirrors are tried in order; one that lies, or is away, is told to people, and the next is asked.
   * @param addresses the mirrors; none is offline: what is trusted already must do
   * @param work is done again with the next mirror when it fails there
   * @throws GupperError the failure of the only mirror, or of several the gravest
   */
  withMirrors<T>(addresses: readonly string[], work: (session: Session) => Promise<T>): Promise<T>
  /** What the last work with these mirrors had that succeeded, unless it began `within` ms ago or earlier. */
  recent(addresses: readonly string[], within: number): Session | undefined
  /** The way to a mirror; every mirror is opened once. @throws GupperError `usage` (64), `cannot-read` (69) */
  reach(address: string): Promise<Transport>
  close(): void
}

/** Metadata that is up to date, and where it came from. */
export interface Session {
  trusted: Trusted
  /** The mirror that answered; undefined offline. */
  transport: Transport | undefined
  others: readonly Transport[]
  /** No other mirror is left to do better. */
  last: boolean
  /** Keeps what was proven since; nothing where there is nothing. */
  keep(): Promise<void>
}

/**
 * Reads the root of trust.
 * @throws GupperError `config` (78) where it is none
 */
export async function openTrust(options: TrustOptions): Promise<Trust> {
  const { observer = silent, home } = options
  const pinned = await readRoot(path.resolve(options.cwd, options.root))
  const place = await findTrusted(home, pinned, options)
  const transports = new Map<string, Promise<Transport>>()
  // What is wrong with this machine's own files is no mirror's fault, and another mirror does nothing about it.
  const domestic = new WeakSet<object>()
  const own = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work
    } catch (error) {
      if (error instanceof GupperError) domestic.add(error)
      throw error
    }
  }
  const sessions = new Map<string, { session: Session; opened: number }>()
  const reach = (address: string): Promise<Transport> => {
    const opening = transports.get(address) ?? openTransport(address, options)
    transports.set(address, opening)
    // A disk that is not there yet may come.
    opening.catch(() => transports.delete(address))
    return opening
  }
  const visit = async <T>(
    mirror: Pick<Session, 'transport' | 'others' | 'last'>,
    work: (session: Session) => Promise<T>,
  ): Promise<T> => {
    const clock = await own(readClock(home, { observer }))
    warnOfClock(clock, observer)
    const store = await own(openTrustedStore(place, options))
    const known = (role: string): Promise<Uint8Array | undefined> => own(store.read(role))
    const remote = mirror.transport ?? { readMetadata: (name) => offline(name, known) }
    // A clock that was set back brings nothing to life again.
    const now = clock.latest
    const { marks } = store
    const trusted = await openTrusted({ now, known, marks, remote, pinned, quick: true, observer })
    const keep = async (): Promise<void> => {
      await store.commit(trusted.fresh, trusted.stale, trusted.marks)
      trusted.fresh.clear()
      trusted.stale.clear()
    }
    try {
      await refresh(trusted)
      return await work({ trusted, ...mirror, keep })
    } finally {
      // What was proven before something failed is kept, or a root that took keys back would be forgotten.
      await keep()
    }
  }
  const visitAt = async <T>(
    addresses: readonly string[],
    at: number,
    work: (session: Session) => Promise<T>,
  ): Promise<T> => {
    const [address] = addresses.slice(at, at + 1)
    const transport = address === undefined ? undefined : await reach(address)
    const others = await othersOf(addresses, at, reach)
    const opened = performance.now()
    return visit({ transport, others, last: at >= addresses.length - 1 }, async (session) => {
      const result = await work(session)
      sessions.set(addresses.join('\n'), { session, opened })
      return result
    })
  }
  return {
    async withMirrors(addresses, work) {
      const [address, ...more] = addresses
      if (address === undefined) return visitAt([], 0, work)
      const isOwn = (error: GupperError): boolean => domestic.has(error)
      try {
        const how = { observer, can: 'can be used', isOwn }
        return await withMirrors(addresses, how, (_, at) => visitAt(addresses, at, work))
      } catch (error) {
        if (more.length > 0 || !(error instanceof GupperError) || isOwn(error)) throw error
        throw named(error, withoutCredentials(address))
      }
    },
    recent: (addresses, within) => {
      const { session, opened = 0 } = sessions.get(addresses.join('\n')) ?? {}
      return performance.now() - opened < within ? session : undefined
    },
    reach,
    close: () => {
      for (const opening of transports.values())
        void opening.then(
          (transport) => transport.close?.(),
          () => undefined,
        )
    },
  }
}

async function readRoot(file: string): Promise<Buffer> {
  let bytes: Buffer
  try {
    const handle = await open(file)
    try {
      // Whatever the file is, no more of it is read than a root may have.
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(metadataLimits.root + 1))
      bytes = buffer.subarray(0, bytesRead)
    } finally {
      await handle.close()
    }
    if (bytes.length <= metadataLimits.root) selfSigned(bytes, file)
    else throw new GupperError('config', `${file} is too large to be a root of trust`)
    return bytes
  } catch (error) {
    const reason = explain(error, `cannot read ${file}`, true)
    throw new GupperError('config', reason instanceof Error ? reason.message : String(reason), {
      hint: 'give the root.json that the publisher gave out: --trust ROOT.json',
      cause: error,
    })
  }
}

// Without a mirror the repository is as it was when it was last seen.
async function offline(
  name: string,
  known: (role: string) => Promise<Uint8Array | undefined>,
): Promise<Uint8Array | undefined> {
  if (name !== 'timestamp.json') return undefined
  const bytes = await known('timestamp')
  if (bytes !== undefined) return bytes
  throw new GupperError('unproven', 'nothing is known of the repository on this machine yet', {
    hint: 'say where its metadata is: --repository SOURCE',
  })
}

async function othersOf(
  addresses: readonly string[],
  i: number,
  reach: (address: string) => Promise<Transport>,
): Promise<Transport[]> {
  const others = addresses.filter((_, j) => j !== i).map((address) => reach(address).catch(() => undefined))
  return (await Promise.all(others)).filter((other) => other !== undefined)
}

// With its address, which what a rule says of a file does not know.
function named(error: GupperError, address: string): GupperError {
  const { code, exit, message, hint, cause } = error
  if (message.includes(address) || ![69, 76, 77].includes(exit)) return error
  return new GupperError(code, `${address}: ${message}`, { hint, cause })
}
