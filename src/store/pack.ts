import { link, lstat, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { GupperError, errnoOf, explain, explaining } from '../errors.ts'
import { finishHash, hashFile, startHash } from '../package/digest.ts'
import { formatFileName, formatOf, isSafeName, parseFileName, type Format } from '../package/filename.ts'
import { silent, type Observer } from '../package/observer.ts'
import { host, parseArch, parseOs } from '../package/platform.ts'
import type { PackageRecord } from '../package/record.ts'
import { formatTime } from '../package/time.ts'
import { parseVersion } from '../package/version.ts'
import { inspect } from './archive/archive.ts'
import { makeArchive } from './archive/make.ts'
import { copyHashed } from './copy.ts'
import { makeDirectory, syncDirectory } from './durable.ts'
import { sweep, temporaryName } from './pack-leftovers.ts'
import { collectFile, collectTree } from './pack-tree.ts'
import { isPrivateKey } from './private-key.ts'

/** What a package is to be, and where. */
export interface PackOptions {
  name: string
  /** In any form that reads as a version: "1.9" is 1.9.0. */
  version: string
  /** In anyone's words; this machine's when not given. */
  os?: string | undefined
  arch?: string | undefined
  /** "tar.gz" for a directory when not given, for an archive what it is, for any other file "raw". */
  format?: Format | undefined
  /** The directory that gets the package; made when missing. */
  into: string
  channel?: string | undefined
  /** The time of everything in an archive, in seconds since 1970 (SOURCE_DATE_EPOCH); 0 when not given. */
  epoch?: number | undefined
  /** Replace a package of the same name that has other bytes. */
  force?: boolean | undefined
  observer?: Observer | undefined
  signal?: AbortSignal | undefined
}

/**
 * Makes a package of a file or a directory. The same content and x bits give the same bytes, whoever packs them, when and
 * where (the compressed forms also want the same zlib or zstd). The package appears whole, under its final name, or not at
 * all; if it is there already with the same bytes, nothing is touched.
 * @returns its record; `published` is the time of the file
 * @throws GupperError `usage` (64), `bad-package` or `bad-archive` (65), `cannot-read` (69), `cannot-write` or `no-space` (73)
 */
export async function packPackage(input: string, options: PackOptions): Promise<PackageRecord> {
  const { signal, observer = silent } = options
  signal?.throwIfAborted()
  const source = resolve(input)
  const found = await explaining(`cannot read ${input}`, () => stat(source), true)
  if (!found.isFile() && !found.isDirectory())
    throw new GupperError('bad-package', `cannot pack ${input}: it is neither a file nor a directory`, {
      hint: 'give an executable, or a directory',
    })
  if (found.isFile() && isPrivateKey(source))
    throw new GupperError('bad-package', `cannot pack ${input}: it is a private key`, {
      hint: 'keep it to yourself, outside of what is published',
    })
  const format = options.format ?? (found.isDirectory() ? 'tar.gz' : formatOf(source))
  if (format === 'raw' && found.isDirectory())
    throw new GupperError('usage', `${input} is a directory, and a raw package is one executable file`, {
      hint: 'leave out --format, or choose tar.gz, tar.zst, tar or zip',
    })
  const parts = readParts(options, format)
  const file = formatFileName(parts)

  const into = resolve(options.into)
  await explaining(`cannot write ${into}`, () => makeDirectory(into))
  if (found.isDirectory()) await refuseInside(into, source)
  await explaining(`cannot write ${into}`, () => sweep(into))

  const temporary = join(into, temporaryName())
  try {
    const made = await write(source, found, format, temporary, options)
    const path = join(into, file)
    const changed = await place(temporary, path, made, options.force ?? false)
    observer.info(changed ? `packed ${path}` : `${path} is there already, with the same bytes`, { ...made })
    const { mtime } = await explaining(`cannot read ${path}`, () => stat(path), true)
    const { name, version, os, arch } = parts
    return {
      schema: 1,
      ...{ name, version, os, arch, file },
      url: pathToFileURL(path).href,
      source: pathToFileURL(into).href,
      size: made.size,
      digest: made.digest,
      published: formatTime(mtime),
      ...(options.channel !== undefined && { channel: options.channel }),
      path,
    }
  } finally {
    await rm(temporary, { force: true })
  }
}

interface Made {
  size: number
  digest: string
}

function readParts(options: PackOptions, format: Format) {
  const version = parseVersion(options.version)
  const os = parseOs(options.os ?? host.os)
  const arch = parseArch(options.arch ?? host.arch)
  const wrong = (what: string, word: string, hint: string): GupperError =>
    new GupperError('usage', `"${word}" is no ${what}`, { hint })
  if (version === undefined) throw wrong('version', options.version, 'give one like 1.2.3')
  if (os === undefined)
    throw wrong('operating system', options.os ?? host.os, 'give one like linux, darwin, windows, or any')
  if (arch === undefined)
    throw wrong('processor', options.arch ?? host.arch, 'give one like amd64, arm64, or any')
  const parts = { name: options.name, version, os, arch, format }
  const file = formatFileName(parts)
  const read = parseFileName(file)
  if (!isSafeName(options.name) || !isSafeName(file))
    throw wrong(
      'name for a package',
      options.name,
      'it must not be long, begin with a dot, or hold slashes, control characters or spaces at an end',
    )
  // Everyone must be able to tell from the file what it is.
  if (read?.name !== parts.name || read.version !== version || read.format !== format)
    throw wrong('name for a package', options.name, `the file "${file}" could be read as something else`)
  return parts
}

async function refuseInside(into: string, source: string): Promise<void> {
  const [inner, outer] = await explaining(`cannot read ${source}`, () =>
    Promise.all([realpath(into), realpath(source)]),
  )
  const way = relative(outer, inner)
  if (way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)) return
  throw new GupperError('usage', `${into} is inside of what is packed, ${source}`, {
    hint: 'choose a directory outside of it with --into DIR',
  })
}

/** Writes the package under its temporary name, on the disk when it returns. */
async function write(
  source: string,
  found: { mode: number; size: number; isDirectory(): boolean },
  format: Format,
  temporary: string,
  options: PackOptions,
): Promise<Made> {
  const { signal, epoch = 0 } = options
  if (format === 'raw' || (!found.isDirectory() && formatOf(source) === format)) {
    if (found.size === 0) throw new GupperError('bad-package', `cannot pack ${source}: it is empty`)
    const made = await copyHashed(source, temporary, { mode: format === 'raw' ? 0o755 : 0o644, signal })
    if (format !== 'raw') await inspect(temporary, format, { signal })
    return made
  }
  const entries = found.isDirectory()
    ? await collectTree(source)
    : collectFile(source, basename(source), found)
  const doing = `cannot write ${temporary}`
  const hash = startHash()
  let size = 0
  const file = await explaining(doing, () => open(temporary, 'wx', 0o644))
  try {
    for await (const chunk of makeArchive(entries, format, epoch)) {
      signal?.throwIfAborted()
      hash.update(chunk)
      size += chunk.length
      await explaining(doing, () => file.writeFile(chunk))
    }
    await explaining(doing, async () => {
      await file.chmod(0o644)
      await file.sync()
    })
  } finally {
    await file.close()
  }
  return { size, digest: finishHash(hash) }
}

/** Gives the package its name; returns whether that changed anything. */
async function place(temporary: string, path: string, made: Made, force: boolean): Promise<boolean> {
  const doing = `cannot write ${path}`
  for (;;) {
    const there = await compare(path, made)
    if (there === 'same') return false
    if (there === 'other' && !force) {
      throw new GupperError('usage', `${path} is there already, with other bytes`, {
        hint: 'give it another version, or replace it with --force',
      })
    }
    // Another packer may have been faster: then look again at what it made.
    if (await explaining(doing, () => enter(temporary, path, there === 'other'))) break
  }
  await explaining(doing, () => syncDirectory(dirname(path)))
  return true
}

async function compare(path: string, made: Made): Promise<'none' | 'same' | 'other'> {
  try {
    const found = await lstat(path)
    if (found.isDirectory())
      throw new GupperError('cannot-write', `cannot write ${path}: it is a directory`, { hint: 'remove it' })
    if (!found.isFile() || found.size !== made.size) return 'other'
    return (await hashFile(path)).digest === made.digest ? 'same' : 'other'
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 'none'
    throw explain(error, `cannot read ${path}`, true)
  }
}

/** Renames, or links so as to replace nothing; false when something came there meanwhile. */
async function enter(temporary: string, path: string, replace: boolean): Promise<boolean> {
  if (!replace) {
    try {
      await link(temporary, path)
      return true
    } catch (error) {
      const errno = errnoOf(error) ?? ''
      if (errno === 'EEXIST') return false
      // Not every file system has hard links.
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(errno)) throw error
    }
  }
  await rename(temporary, path)
  return true
}
