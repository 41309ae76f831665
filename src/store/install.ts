import { join, resolve } from 'node:path'
import { GupperError } from '../errors.ts'
import { isSafeName } from '../package/filename.ts'
import { isAbort, type Items } from '../package/flow.ts'
import { fits, host } from '../package/platform.ts'
import { isFailure, toFailure, type Item, type PackageRecord } from '../package/record.ts'
import { parseVersion } from '../package/version.ts'
import { demand, type Requirement } from '../trust/policy.ts'
import { upgrade, type UpgradeOptions } from './upgrade.ts'

/** How to install, and where. */
export interface InstallOptions extends UpgradeOptions {
  /** The target; with a slash at its end each record goes to DIR/NAME. */
  to: string
  /** The proofs that must stand (see {@link Requirement}); undefined: any one, ['none']: nothing. */
  require?: Requirement | undefined
}

/**
 * Makes each record's package what stands at its target, and writes the record with `installed` added. Records of a
 * stream that ends are acted on at its end, since only then it is known that none other is for the same target; records
 * that carry `watched` are acted on at once.
 * @param items records with `path`
 * @returns the records with `installed`: {path, changed, previous?, dry_run?}, and failures: 64 (`ambiguous`,
 * `wrong-platform`, `downgrade`, `usage`), 65 (`bad-record`, `rejected`, `check-failed`, `wrong-digest`, `wrong-size`,
 * `bad-archive`), 69 (`cannot-read`), 73 (`cannot-write`, `no-space`), 75 (`locked`), 77 (`unproven`)
 */
export async function* install(items: Items, options: InstallOptions): AsyncGenerator<Item> {
  const waiting = new Map<string, PackageRecord[] | undefined>()
  for await (const item of items) {
    if (isFailure(item)) yield item
    else if (item.watched !== undefined) yield await installOne(item, options)
    else yield* collect(item, waiting, options)
  }
  for (const records of waiting.values())
    for (const record of records ?? []) yield await installOne(record, options)
}

/** Keeps a record until the input ends; as soon as a second one is for the same target, all of them fail. */
function* collect(
  record: PackageRecord,
  waiting: Map<string, PackageRecord[] | undefined>,
  options: InstallOptions,
): Generator<Item> {
  const key = options.to.endsWith('/') ? record.name : ''
  const others = waiting.get(key)
  const first = !waiting.has(key)
  const same = others?.every(({ digest }) => digest !== undefined && digest === record.digest) ?? false
  if (first) waiting.set(key, [record])
  else if (same) others?.push(record)
  if (first || same) return
  waiting.set(key, undefined)
  for (const one of [...(others ?? []), record]) yield toFailure('install', ambiguous(one, options), one)
}

function ambiguous(record: PackageRecord, { to, nameFlag }: InstallOptions): GupperError {
  const target = to.endsWith('/') ? `${to}${record.name}` : to
  return new GupperError('ambiguous', `${record.file} is not the only package for ${target}`, {
    hint: to.endsWith('/')
      ? 'choose the newest of each with: gupper select'
      : nameFlag !== undefined
        ? `choose one with: ${nameFlag} NAME`
        : 'choose one with: gupper select --name NAME, or install into a directory: --to DIR/',
  })
}

async function installOne(record: PackageRecord, options: InstallOptions): Promise<Item> {
  try {
    const { path } = record
    if (path === undefined)
      throw new GupperError('bad-record', `the record of ${record.file} has no path to its bytes`, {
        hint: 'put gupper fetch before it',
      })
    if (parseVersion(record.version) !== record.version)
      throw new GupperError('bad-record', `${JSON.stringify(record.version)} is not a semantic version`)
    // Proofs are of some bytes: without the digest nothing says of which.
    const { file, digest, proofs = [] } = record
    demand({ file, proofs: digest === undefined ? [] : proofs }, options.require)
    checkPlatform(record)
    const { cwd } = options
    const fetched = { ...record, path: resolve(cwd, path) }
    const upgraded = await upgrade(targetOf(record, options), fetched, options)
    return { ...record, installed: { ...upgraded, ...(options.dryRun === true && { dry_run: true }) } }
  } catch (thrown) {
    if (isAbort(thrown)) throw thrown
    return toFailure('install', thrown, record)
  }
}

function checkPlatform(record: PackageRecord): void {
  if (fits(record, host.os, host.arch)) return
  throw new GupperError(
    'wrong-platform',
    `${record.file} is for ${record.os}/${record.arch}, this machine is ${host.os}/${host.arch}`,
    { hint: `choose with: gupper select --os ${host.os} --arch ${host.arch}` },
  )
}

function targetOf(record: PackageRecord, { to, cwd }: InstallOptions): string {
  if (!to.endsWith('/')) return resolve(cwd, to)
  if (!isSafeName(record.name))
    throw new GupperError('bad-record', `${JSON.stringify(record.name)} cannot be the name of a file`)
  return join(resolve(cwd, to), record.name)
}
