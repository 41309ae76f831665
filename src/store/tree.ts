import { lstat, readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf, hashFile } from '../package/digest.ts'

const small = 1 << 20

/**
 * Lists a tree, a line for every entry in order: type and permissions, digest or link text, and the path as JSON.
 * @param root the directory
 * @returns the manifest as text, and the size of all files in bytes
 */
export async function listTree(root: string): Promise<{ manifest: string; size: number }> {
  const lines: string[] = []
  let size = 0
  const walk = async (path: string): Promise<void> => {
    for (const name of (await readdir(join(root, path))).toSorted()) {
      const entry = await readEntry(root, join(path, name))
      lines.push(entry.line)
      size += entry.size
      if (entry.directory) await walk(join(path, name))
    }
  }
  await walk('')
  return { manifest: lines.map((line) => `${line}\n`).join(''), size }
}

/**
 * Says whether every entry of a manifest is still as it was. What a program has added to its own tree since (caches,
 * logs) is not looked at.
 * @returns the first path that differs or is gone, undefined when none does
 */
export async function findDamage(root: string, manifest: string): Promise<string | undefined> {
  for (const line of manifest.split('\n')) {
    if (line === '') continue
    const path = JSON.parse(line.slice(line.indexOf('"'))) as string
    try {
      if ((await readEntry(root, path)).line !== line) return path
    } catch {
      return path
    }
  }
  return undefined
}

async function readEntry(
  root: string,
  path: string,
): Promise<{ line: string; size: number; directory: boolean }> {
  const full = join(root, path)
  const found = await lstat(full)
  const mode = (found.mode & 0o7777).toString(8)
  const line = (what: string): string => `${what} ${JSON.stringify(path)}`
  if (found.isSymbolicLink()) {
    const link = digestOf(await readlink(full))
    return { line: line(`link ${link}`), size: 0, directory: false }
  }
  if (found.isDirectory()) return { line: line(`directory ${mode}`), size: 0, directory: true }
  if (!found.isFile()) return { line: line('other'), size: 0, directory: false }
  const digest = found.size <= small ? digestOf(await readFile(full)) : (await hashFile(full)).digest
  return { line: line(`file ${mode} ${digest}`), size: found.size, directory: false }
}
