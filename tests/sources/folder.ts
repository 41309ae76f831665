import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { link, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { digestOf } from '../../src/package/digest.ts'

export const file = 'app-1.0.0-any-any'
export const bytes = randomBytes(200_000)
export const digest = digestOf(bytes)
export const target = `${digest.slice(7)}.${file}`
/** A role whose name is not its file's. */
export const oddRole = `1.${encodeURIComponent('team a/ü%')}.json`

/** A directory that is gone after the test. */
export async function makeDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'gupper-sources-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  return dir
}

/** DIR/repo as `publish` lays it out; what is in its metadata does not matter to those who carry it. */
export async function makeRepository(dir: string, name = 'repo'): Promise<string> {
  const repo = join(dir, name)
  await mkdir(join(repo, 'metadata'), { recursive: true })
  await mkdir(join(repo, 'targets'))
  await writeFile(join(repo, 'metadata', 'timestamp.json'), '{"version":1}')
  await writeFile(join(repo, 'metadata', oddRole), '{"team":1}')
  await writeFile(join(repo, 'metadata', '1.targets.json'), Buffer.alloc(100_000, 'x'))
  await writeFile(join(repo, file), bytes)
  await link(join(repo, file), join(repo, 'targets', target))
  return repo
}

/** Runs tar as an operator would. */
export function makeTar(path: string, ...options: string[]): string {
  execFileSync('tar', ['-cf', path, ...options])
  return path
}
