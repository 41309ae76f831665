import { execFile } from 'node:child_process'
import { chmod, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { digestOf } from '../../src/package/digest.ts'
import type { PackageRecord } from '../../src/package/record.ts'

const exec = promisify(execFile)

/** A shell program that tells its version, whatever it is asked. */
export function programText(version: string): string {
  return `#!/bin/sh\necho "app version ${version}"\n`
}

/** Writes an executable, and the directories it needs. */
export async function writeProgram(path: string, version: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, programText(version))
  await chmod(path, 0o755)
  return path
}

/** Runs a program; returns what it said. */
export async function say(path: string): Promise<string> {
  return (await exec(path, [], { cwd: '/' })).stdout.trim()
}

/** Makes a package of one program, and its record as fetch writes it. */
export async function makeRaw(
  dir: string,
  version: string,
  name = 'app',
): Promise<PackageRecord & { path: string }> {
  const path = join(dir, `${name}-${version}-any-any`)
  await writeFile(path, programText(version))
  return recordFor(path, name, version)
}

/** Makes an archive of a tree with bin/app and what belongs to it. */
export async function makeArchive(
  dir: string,
  version: string,
  name = 'app',
): Promise<PackageRecord & { path: string }> {
  const tree = join(dir, `tree-${version}`)
  await writeProgram(join(tree, 'bin', 'app'), version)
  await writeFile(join(tree, 'README'), `of ${version}`)
  await symlink('bin/app', join(tree, 'run'))
  const path = join(dir, `${name}-${version}-any-any.tar.gz`)
  await exec('tar', ['-czf', path, '-C', tree, '.'])
  await rm(tree, { recursive: true })
  return recordFor(path, name, version)
}

async function recordFor(
  path: string,
  name: string,
  version: string,
): Promise<PackageRecord & { path: string }> {
  const bytes = await readFile(path)
  return {
    schema: 1,
    name,
    version,
    os: 'any',
    arch: 'any',
    file: path.slice(dirname(path).length + 1),
    size: bytes.length,
    digest: digestOf(bytes),
    path,
    proofs: [{ by: 'digest' }],
  }
}
