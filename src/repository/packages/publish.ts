import { readFile } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { GupperError, explaining } from '../../errors.ts'
import { each } from '../../package/each.ts'
import { parseFileName } from '../../package/filename.ts'
import type { Items } from '../../package/flow.ts'
import { silent } from '../../package/observer.ts'
import { isFailure, toFailure, type Failure, type Item, type PackageRecord } from '../../package/record.ts'
import { openDirectory } from '../../store/durable.ts'
import { withLock } from '../../store/lock.ts'
import { isSigned } from '../committed.ts'
import { holdRepository, type RepositoryOptions } from '../hold.ts'
import { layoutOf, type Layout } from '../layout.ts'
import type { MinisignSecret } from '../keys/minisign-key.ts'
import { signPackages } from './package-signature.ts'
import { publishSigned } from './publish-signed.ts'
import { publishUnsigned } from './publish-unsigned.ts'
import { mostNotes, type Release } from './release.ts'
import { openStaging, stage, unstage, type Staged } from './stage.ts'

/** Where to publish, with which keys, and what to say of it. */
export interface PublishOptions extends RepositoryOptions {
  /** REPO; a directory without metadata gets the packages unsigned, unless keys are given. */
  to: string
  release?: Release | undefined
  /** The role that shall vouch for the packages; chosen by name and key when not given. */
  role?: string | undefined
  /** Signs each package too, for those who have nothing but minisign. */
  minisign?: MinisignSecret | undefined
}

/**
 * Publishes packages: all records of the input in one commit, or none of them. What marks itself as part of a stream that
 * does not end (`watched`) is published at once.
 * @returns the records, with `published` and `publication`; or the failures, after which nothing was published
 */
export async function* publish(items: Items, options: PublishOptions): AsyncGenerator<Item> {
  const records: PackageRecord[] = []
  let failed = false
  for await (const item of items) {
    if (isFailure(item)) {
      failed = true
      yield item
    } else if (item.watched !== undefined) yield* publishAll([item], options)
    else records.push(item)
  }
  if (records.length === 0) return
  if (failed) (options.observer ?? silent).warn(`nothing was published, since not all of the input arrived`)
  else yield* publishAll(records, options)
}

async function* publishAll(records: readonly PackageRecord[], options: PublishOptions): AsyncGenerator<Item> {
  const layout = layoutOf(options.to)
  const { observer = silent, signal, release = {}, now = new Date(), minisign } = options
  const signed = await isSigned(layout)
  checkKeys(layout.root, signed, options)
  // For everybody to read.
  if (!signed) await openDirectory(layout.root, 0o755)
  const staging = signed ? layout.staging : layout.root
  await openStaging(staging)
  const staged: Staged[] = []
  try {
    let failures: Failure[] = await stageAll(records, staging, staged, signal)
    let done: readonly PackageRecord[] = []
    if (failures.length === 0) {
      const signatures = minisign && (await signPackages(staged, minisign, { now, signal }))
      const result = signed
        ? await holdRepository(layout.root, options, (draft) =>
            publishSigned(draft, staged, release, options.role, signatures),
          )
        : await holdDirectory(layout, options, () =>
            publishUnsigned(layout.root, staged, release, now, signatures, observer),
          )
      if ('records' in result) done = result.records.map((record) => tellOfKey(record, minisign))
      else failures = result.refused.map(({ record, error }) => toFailure('publish', error, record))
    }
    if (failures.length > 0 && records.length > 1)
      observer.warn('nothing was published: all packages of the input are, or none')
    yield* failures
    yield* done
    tellOfWaiting(done, options)
  } finally {
    await unstage(staged)
  }
}

function checkKeys(root: string, signed: boolean, { keyring }: PublishOptions): void {
  const given = keyring !== undefined && keyring.places.length > 0
  if (given && !signed)
    throw new GupperError('config', `${root} is no signed repository, but keys are given`, {
      hint: `make it one: gupper trust init ${root} --keys DIR; or publish unsigned, without --keys and GUPPER_KEYS`,
    })
}

// Without signatures nobody needs to wait: a name is given to bytes once, by whoever comes first.
async function holdDirectory<T>(layout: Layout, options: PublishOptions, work: () => Promise<T>): Promise<T> {
  const { minisign, wait = 60_000, signal, observer } = options
  return minisign === undefined
    ? work()
    : withLock(layout.lock, { what: layout.root, wait, signal, observer }, work)
}

function tellOfKey(record: PackageRecord, minisign: MinisignSecret | undefined): PackageRecord {
  if (minisign === undefined) return record
  return { ...record, publication: { ...(record.publication as object), minisign: minisign.id } }
}

async function stageAll(
  records: readonly PackageRecord[],
  directory: string,
  staged: Staged[],
  signal: AbortSignal | undefined,
): Promise<Failure[]> {
  const failures: Failure[] = []
  const found = new Array<Staged | undefined>(records.length)
  await each(records.entries(), 4, async ([at, record]) => {
    try {
      found[at] = await stage(record, directory, signal)
    } catch (error) {
      failures.push(toFailure('publish', error, record))
    }
  })
  staged.push(...found.filter((one) => one !== undefined))
  signal?.throwIfAborted()
  return failures
}

function tellOfWaiting(records: readonly PackageRecord[], { observer = silent, to }: PublishOptions): void {
  const waiting = records.flatMap(({ publication }) => {
    const { pending, missing, awaits } = publication as {
      pending?: true
      missing?: number
      awaits?: string[]
    }
    return pending === true ? [{ missing: missing ?? 0, awaits: awaits ?? [] }] : []
  })
  const [first] = waiting
  // Where neither signature nor key is missing, it was said what is.
  if (first === undefined || (first.missing === 0 && first.awaits.length === 0)) return
  const more =
    first.missing > 0
      ? `${first.missing} more signatures of ${first.awaits[0] ?? 'targets'}`
      : `the keys of ${first.awaits.join(' and ')}`
  observer.warn(`prepared, but not published yet: it takes ${more}`, {
    hint:
      first.missing > 0
        ? `have another key holder run: gupper trust sign ${to} --keys DIR`
        : `run where these keys are: gupper trust refresh ${to} --keys DIR`,
  })
}

/**
 * Gives files that are named like packages as records.
 * @param files paths
 * @param cwd what they are relative to
 */
export async function* readPackages(files: readonly string[], cwd: string): AsyncGenerator<Item> {
  await Promise.resolve()
  for (const word of files) {
    const path = resolve(cwd, word)
    const file = basename(path)
    const parts = parseFileName(file)
    if (parts === undefined) {
      yield toFailure(
        'publish',
        new GupperError('bad-package', `${word} is not named like a package`, {
          hint: 'name it NAME-VERSION-OS-ARCH, or make a package of it: gupper pack',
        }),
      )
      continue
    }
    const { name, version, os, arch } = parts
    yield { schema: 1, name, version, os, arch, file, path }
  }
}

/**
 * Reads what is said to people of a release: the text itself, or @FILE.
 * @throws GupperError `usage` (64), `cannot-read` (69)
 */
export async function readNotes(word: string, cwd: string): Promise<string> {
  const path = resolve(cwd, word.slice(1))
  const text = word.startsWith('@')
    ? await explaining(`cannot read ${path}`, () => readFile(path, 'utf8'), true)
    : word
  if (text.length > mostNotes)
    throw new GupperError('usage', `the notes have more than ${mostNotes} characters`, {
      hint: 'say it shortly, and link to the rest',
    })
  return text.trimEnd()
}
