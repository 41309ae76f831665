import { lstatSync, type BigIntStats } from 'node:fs'
import { join } from 'node:path'
import { isSafeName } from '../package/filename.ts'
import { isPrivateKey } from '../store/private-key.ts'
import { Downloads } from './download.ts'
import { makeEntry, stampOf, type Entry } from './entry.ts'
import type { Answers, Exchange } from './exchange.ts'
import { hashSmallUnchanged, hashUnchanged, smallFile } from './hash.ts'

/** The folders of a signed repository. */
export type Folder = 'metadata' | 'targets'

const most = 10_000 // files that are remembered
const forever = 'max-age=31536000, immutable'

/**
 * `GET /metadata/NAME` and `/targets/HASH.FILE`: the files of a signed repository as they lie there, and nothing else of
 * the directory. No key is needed for that: whoever reads them proves them.
 */
export class SignedFiles {
  readonly #dir: string
  readonly #answers: Answers
  readonly #downloads: Downloads
  readonly #entries = new Map<string, Entry>()

  constructor(dir: string, answers: Answers) {
    this.#dir = dir
    this.#answers = answers
    const touch = (file: string): void => void this.#entries.delete(file)
    this.#downloads = new Downloads({ dir, catalog: this.#entries, answers, touch })
  }

  /**
   * Answers GET and HEAD of one file.
   * @param text its name as it stands in the URL, still percent-encoded
   */
  async serve(exchange: Exchange, folder: Folder, text: string): Promise<void> {
    // The lane repeats answers until the catalog changes, but these files come and go without it.
    if (exchange.lane) exchange.lane.raw = undefined
    let entry: Entry | undefined
    try {
      const name = decode(text)
      entry = name === undefined ? undefined : await this.#find(folder, name)
    } catch {
      this.#answers.refuse(exchange, 503, 'the file cannot be read right now; try again', [
        'Retry-After',
        '2',
      ])
      return
    }
    if (entry) this.#downloads.send(exchange, entry)
    else this.#answers.refuse(exchange, 404, 'no such file')
  }

  async #find(folder: Folder, name: string): Promise<Entry | undefined> {
    const [, hex] = /^([0-9a-f]{64})\../.exec(name) ?? []
    if (folder === 'targets' ? hex === undefined : !name.endsWith('.json')) return undefined
    const file = `${folder}/${name}`
    const path = join(this.#dir, folder, name)
    // Never through a link: it may lead anywhere.
    if (!look(join(this.#dir, folder))?.isDirectory()) return undefined
    for (let tries = 0; tries < 5; tries++) {
      const stat = look(path)
      if (!stat?.isFile()) return undefined
      const stamp = stampOf(stat)
      const known = this.#entries.get(file)
      if (known?.stamp === stamp) return known
      const named = folder === 'targets' && !isSignature(name)
      const digest = named ? `sha256:${hex ?? ''}` : await hash(path, stat)
      if (isPrivateKey(path)) return undefined
      if (digest !== undefined) return this.#remember(file, stat, digest)
      // Replaced in the very moment: the next look meets the new one.
    }
    throw new Error('it changes all the time')
  }

  #remember(file: string, stat: BigIntStats, digest: string): Entry {
    if (this.#entries.size >= most) this.#entries.clear()
    const entry: Entry = { ...makeEntry(file, stat, digest), ...manner(file) }
    this.#entries.set(file, entry)
    return entry
  }
}

function look(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false })
}

async function hash(path: string, stat: BigIntStats): Promise<string | undefined> {
  const stamp = stampOf(stat)
  const hashed = stat.size <= smallFile ? hashSmallUnchanged(path, stamp) : await hashUnchanged(path, stamp)
  return hashed?.digest
}

// It carries the digest of what it signs, and may be made anew with another key.
const isSignature = (name: string): boolean => name.endsWith('.minisig')

// What carries a version or a digest in its name never changes.
function manner(file: string): Pick<Entry, 'cache' | 'type'> {
  if (file.startsWith('targets/')) return isSignature(file) ? {} : { cache: forever }
  return { cache: /^metadata\/\d+\./.test(file) ? forever : 'no-cache', type: 'application/json' }
}

function decode(text: string): string | undefined {
  try {
    const name = decodeURIComponent(text)
    return isSafeName(name) ? name : undefined
  } catch {
    return undefined
  }
}
