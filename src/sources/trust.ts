import { open } from 'node:fs/promises'
import path from 'node:path'
import { explain, GupperError } from '../errors.ts'
import { silent, type Observer } from '../package/observer.ts'
import { withoutCredentials } from '../net/client.ts'
import { readClock, warnOfClock } from '../store/clock.ts'
import { findTrusted } from '../store/heritage.ts'
import { openTrustedStore } from '../store/trusted.ts'
import { metadataLimits } from '../trust/tuf/limits.ts'
import { refresh } from '../trust/tuf/refresh.ts'
import { openTrusted, selfSigned, type Trusted } from '../trust/tuf/trusted.ts'
import { openTransport, type Transport } from './transport/transport.ts'
import type { SourceOptions } from './source.ts'

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
  const reach = (address: string): Promise<Transport> => {
    const opening = transports.get(address) ?? openTransport(address, options)
    transports.set(address, opening)
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
  return {
    async withMirrors(addresses, work) {
      if (addresses.length === 0) return visit({ transport: undefined, others: [], last: true }, work)
      const failures: GupperError[] = []
      for (const [i, address] of addresses.entries()) {
        try {
          const transport = await reach(address)
          const others = await othersOf(addresses, i, reach)
          return await visit({ transport, others, last: i === addresses.length - 1 }, work)
        } catch (error) {
          if (!isMirrors(error) || domestic.has(error)) throw error
          if (addresses.length === 1) throw named(error, address)
          failures.push(error)
          tell(observer, address, error, addresses[i + 1])
        }
      }
      throw gravest(failures)
    },
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

// Unreachable, broken or not to be trusted: what another mirror may do better.
function isMirrors(error: unknown): error is GupperError {
  return error instanceof GupperError && [69, 76, 77].includes(error.exit)
}

function tell(observer: Observer, address: string, error: GupperError, next: string | undefined): void {
  const then = next === undefined ? '' : `; trying ${next}`
  observer.warn(`${address} is of no use: ${error.message}${then}`)
}

// With its address, which what a rule says of a file does not know.
function named(error: GupperError, address: string): GupperError {
  const { code, message, hint, cause } = error
  if (message.includes(address)) return error
  return new GupperError(code, `${withoutCredentials(address)}: ${message}`, { hint, cause })
}

function gravest(failures: readonly GupperError[]): GupperError {
  const [first] = failures.toSorted((a, b) => b.exit - a.exit)
  if (first === undefined) throw new Error('there is no failure')
  const { code, message, hint, cause } = first
  return new GupperError(code, `none of ${failures.length} mirrors can be used: ${message}`, { hint, cause })
}
