import { dirname, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { DatabaseSync } from 'node:sqlite'
import { GupperError, explaining } from '../errors.ts'
import type { Observer } from '../package/observer.ts'
import { makeDirectory } from './durable.ts'

/** How to wait for a lock. */
export interface LockOptions {
  /** What is locked, for people: "/opt/app". */
  what: string
  /** How long to wait for it in ms; 0 is one try. Default 30 000. */
  wait?: number
  signal?: AbortSignal | undefined
  observer?: Observer | undefined
}

// The garbage collector closes a database that nothing refers to, and that would free the lock while work goes on.
const held = new Set<DatabaseSync>()

/**
 * Runs `work` while nobody else, in this process or another, holds the lock of the same file. The kernel releases it when
 * its holder dies, however that happens. The file stays, empty: deleting it would let two holders in.
 * @param path the lock file; it and its directory are made when missing
 * @returns what `work` returned
 * @throws GupperError `locked` (75) when the deadline passes first; `cannot-write` (73) when the file cannot be locked
 */
export async function withLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  const database = await acquire(resolve(path), options)
  held.add(database)
  try {
    return await work()
  } finally {
    held.delete(database)
    database.close()
  }
}

async function acquire(path: string, options: LockOptions): Promise<DatabaseSync> {
  const { what, wait = 30_000, signal, observer } = options
  signal?.throwIfAborted()
  await explaining(`cannot lock ${what} with ${path}`, () => makeDirectory(dirname(path)))
  const deadline = performance.now() + wait
  for (let pause = 4, told = false; ; pause = Math.min(pause * 2, 250)) {
    const database = await attempt(path, what)
    if (database !== undefined) return database
    const left = deadline - performance.now()
    if (left <= 0) throw new GupperError('locked', `${what} is locked by another gupper`)
    if (!told && pause > 64) {
      observer?.info(`waiting for another gupper to finish with ${what}`)
      told = true
    }
    // Nothing announces that a file lock is free: ask again, at uneven times so that waiters do not march in step.
    await delay(Math.min(left, pause * (0.5 + Math.random())), undefined, { ...(signal && { signal }) })
  }
}

/** One try. SQLite's lock is used because Node offers no flock: it is a POSIX lock that also excludes within a process. */
async function attempt(path: string, what: string): Promise<DatabaseSync | undefined> {
  const { DatabaseSync } = await import('node:sqlite')
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path, { timeout: 0 })
    // A journal in memory: a file would need room, and an update must be taken back on a full disk too.
    database.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database?.close()
    const code = (error as { errcode?: number }).errcode
    if (code === undefined) throw error
    if ((code & 0xff) === sqliteBusy) return undefined
    const reason = (error as { errstr?: string }).errstr ?? 'unknown reason'
    throw new GupperError('cannot-write', `cannot lock ${what}: ${path}: ${reason}`, { cause: error })
  }
}

const sqliteBusy = 5
