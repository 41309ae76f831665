import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Release } from '../activations/activation.ts'
import { GupperError } from '../errors.ts'
import type { HistoryEntry, Phase, ServiceState } from '../web/service-view.ts'
import type { KeeperIdentity } from './programs/keeper.ts'
import type { ProcessIdentity } from './programs/process.ts'

/** A program as it is written down, to be found again. */
export interface SavedProgram extends ProcessIdentity {
  id: string
  release: Release
  /** Its own port, behind a proxy. */
  port?: number | undefined
  since: string
}

/** What is written down of a service. Every field but `state` may be missing. */
export interface Facts {
  state: ServiceState
  phase: Phase
  /** Whether it follows its source no more. */
  frozen?: boolean
  /** Whether the update under way is being broken off. */
  undone?: boolean | undefined
  reason?: string | undefined
  keeper?: KeeperIdentity | undefined
  live?: SavedProgram | undefined
  candidate?: SavedProgram | undefined
  /** What a hand-over under way is from and to. */
  from?: Release | undefined
  to?: Release | undefined
  /** When `live` went live by a hand-over, and what it replaced. */
  committed?: string | undefined
  previous?: Release | undefined
  /** The settings that the programs were started with. */
  settings?: string | undefined
}

const mostHistory = 1000

/**
 * What must survive a kill -9 of the supervisor: facts are written down before they are acted on. SQLite with a write-ahead
 * log: a commit survives the process at once; what a power cut takes, it takes with the processes it told of.
 */
export class Journal {
  readonly #database: DatabaseSync
  readonly #put: StatementSync
  readonly #add: StatementSync
  readonly facts: Readonly<Facts>
  /** What could not be written down yet: it goes with the next that can. */
  #owed: Partial<Facts> = {}
  /** Whether nothing had been written down when it was opened. */
  readonly isEmpty: boolean

  private constructor(database: DatabaseSync) {
    this.#database = database
    database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
      CREATE TABLE IF NOT EXISTS history (number INTEGER PRIMARY KEY AUTOINCREMENT, entry TEXT NOT NULL) STRICT;`)
    this.#put = database.prepare('INSERT OR REPLACE INTO facts VALUES (?, ?)')
    this.#add = database.prepare('INSERT INTO history (entry) VALUES (?)')
    const rows = database.prepare('SELECT name, value FROM facts').all() as { name: string; value: string }[]
    const known = rows.map(({ name, value }): [string, unknown] => [name, JSON.parse(value)])
    const facts = Object.fromEntries(known.filter(([, value]) => value !== null))
    this.isEmpty = rows.length === 0
    this.facts = { state: 'OK', phase: 'idle', ...facts }
  }

  /**
   * Opens the journal of a service, made when missing.
   * @throws GupperError `cannot-write`, `no-space` (73); `damaged` (65) when it is none
   */
  static async open(path: string): Promise<Journal> {
    const { DatabaseSync } = await import('node:sqlite')
    return explainSqlite(path, () => new Journal(new DatabaseSync(path, { timeout: 5000 })))
  }

  /**
   * Writes facts down, all or none; undefined takes one out.
   * @param entry of the history, with them or not at all
   * @throws GupperError `no-space`, `cannot-write` (73)
   */
  note(facts: Partial<Facts>, entry?: HistoryEntry): void {
    const all = { ...this.#owed, ...facts }
    explainSqlite('the state of the service', () => {
      this.#database.exec('BEGIN IMMEDIATE')
      try {
        for (const [name, value] of Object.entries(all)) this.#put.run(name, JSON.stringify(value ?? null))
        if (entry) this.#insert(entry)
        this.#database.exec('COMMIT')
      } catch (error) {
        // After a full disk SQLite may have rolled back by itself.
        if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
        throw error
      }
    })
    this.#owed = {}
    Object.assign(this.facts, facts)
  }

  /**
   * Notes what is so already, whether that can be written down or not.
   * @returns the trouble, for people
   */
  noteAnyway(facts: Partial<Facts>, entry?: HistoryEntry): string | undefined {
    try {
      this.note(facts, entry)
      return undefined
    } catch (error) {
      Object.assign(this.facts, facts)
      Object.assign(this.#owed, facts)
      return error instanceof Error ? error.message : String(error)
    }
  }

  /** Adds to the history; the oldest entries beyond a thousand go. */
  add(entry: HistoryEntry): void {
    this.note({}, entry)
  }

  /** The newest entries, newest first. */
  history(count: number): HistoryEntry[] {
    const rows = this.#database.prepare('SELECT entry FROM history ORDER BY number DESC LIMIT ?').all(count)
    return (rows as { entry: string }[]).map(({ entry }) => JSON.parse(entry) as HistoryEntry)
  }

  close(): void {
    this.#database.close()
  }

  #insert(entry: HistoryEntry): void {
    const { lastInsertRowid } = this.#add.run(JSON.stringify(entry))
    this.#database.prepare('DELETE FROM history WHERE number <= ?').run(Number(lastInsertRowid) - mostHistory)
  }
}

const full = 13
const notADatabase = 26
const corrupt = 11

function explainSqlite<T>(what: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const { errcode, errstr } = error as { errcode?: number; errstr?: string }
    if (errcode === undefined) throw error
    const code = errcode & 0xff
    const message = `cannot write ${what}: ${errstr ?? 'unknown reason'}`
    if (code === full) throw new GupperError('no-space', message, { cause: error })
    if (code === notADatabase || code === corrupt)
      throw new GupperError('damaged', `${what} is damaged: ${errstr ?? ''}`, {
        hint: 'move it away and start the service again',
        cause: error,
      })
    throw new GupperError('cannot-write', message, { cause: error })
  }
}
