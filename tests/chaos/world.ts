import { createHash } from 'node:crypto'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** How the target goes live: one file, or a tree behind a symlink. */
export type Kind = 'file' | 'tree'

/** A directory with a target, and packages to be installed there. */
export interface World {
  dir: string
  kind: Kind
  /** Where the packages are. */
  packages: string
  target: string
  /** The program below the target that tells its version. */
  program: string
  versions: readonly string[]
}

/** What a run of gupper came to. */
export interface Run {
  status: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  /** ms */
  took: number
}

/** How many versions are kept beside the target. */
export const keep = 3

// Large enough that copying it takes several writes.
const padding = `${'# nothing but weight\n'.repeat(20_000)}\n`

/** Makes a world with a few versions of a program, as packages that differ in every file. */
export async function makeWorld(parent: string, kind: Kind): Promise<World> {
  const dir = await mkdtemp(join(parent, `${kind} `))
  const target = join(dir, 'app')
  const versions = ['1.0.0', '1.1.0', '1.2.0', '1.3.0', '1.4.0']
  const packages = await mkdtemp(join(parent, 'packages '))
  const world = {
    dir,
    kind,
    packages,
    target,
    program: kind === 'file' ? target : join(target, 'bin', 'app'),
    versions,
  }
  for (const version of versions) await makePackage(world, version)
  return world
}

/** Adds a version to the packages, whole or not at all. */
export async function makePackage({ kind, packages }: World, version: string): Promise<void> {
  const text = `#!/bin/sh\necho "app version ${version}"\nexit 0\n${padding}${version}\n`
  const file = packageFile(kind, version)
  const path = join(packages, `.${file}`)
  if (kind === 'file') await writeFile(path, text)
  else {
    const tree = join(packages, `.tree-${version}`)
    await mkdir(join(tree, 'bin'), { recursive: true })
    await mkdir(join(tree, 'lib', 'deep'), { recursive: true })
    await writeFile(join(tree, 'bin', 'app'), text)
    await chmod(join(tree, 'bin', 'app'), 0o755)
    for (let i = 0; i < 3; i++) await writeFile(join(tree, 'lib', 'deep', `${i}`), `${version} ${i}\n`)
    await symlink('../bin/app', join(tree, 'lib', 'link'))
    await promisify(execFile)('tar', ['-czf', path, '-C', tree, '.'])
    await rm(tree, { recursive: true })
  }
  await rename(path, join(packages, file))
}

/** The arguments that install a record from standard input, even one that was taken back before. */
export function installArgs({ target }: World): string[] {
  const check = ['--check', 'test -e {}']
  return ['install', '--to', target, '--keep', String(keep), '--again', ...check, '--quiet']
}

/** Complains when a run ended otherwise than with 0. */
export function expectStatus(result: Run, what: string): void {
  if (result.status !== 0)
    throw new Error(`${what} ended with ${result.status}: ${result.stderr}${result.stdout}`)
}

/** A copy of a world, but for its packages, with hard links, times and all. */
export async function copyWorld(world: World): Promise<World> {
  const dir = await mkdtemp(`${world.dir}-`)
  // Not Node's cp: it keeps no hard links.
  await promisify(execFile)('cp', ['-a', `${world.dir}/.`, dir])
  const move = (path: string): string => path.replace(world.dir, dir)
  return { ...world, dir, target: move(world.target), program: move(world.program) }
}

/** Puts a version at the target without gupper: a file, or a symlink of somebody else's to a tree. */
export async function putByHand({ dir, kind, packages, target }: World, version: string): Promise<void> {
  const path = join(packages, packageFile(kind, version))
  if (kind === 'file') {
    await copyFile(path, target)
    await chmod(target, 0o755)
    return
  }
  const tree = join(dir, '.by-hand')
  await mkdir(tree)
  await promisify(execFile)('tar', ['-xzf', path, '-C', tree])
  await symlink('.by-hand', target)
}

/** The version that a run which was cut off had begun to switch to, if one was. */
export async function readPending({ dir }: World): Promise<string | undefined> {
  const receipt = JSON.parse(await readFile(join(dir, '.gupper', 'app', 'receipt.json'), 'utf8')) as {
    pending?: { to: string }
    slots: { slot: string; version: string }[]
  }
  return receipt.slots.find(({ slot }) => slot === receipt.pending?.to)?.version
}

/** The file name of a version's package. */
export function packageFile(kind: Kind, version: string): string {
  return `app-${version}-any-any${kind === 'file' ? '' : '.tar.gz'}`
}

/** The line that installs a version. */
export async function recordOf({ kind, packages }: World, version: string): Promise<string> {
  const file = packageFile(kind, version)
  const path = join(packages, file)
  const bytes = await readFile(path)
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  const size = bytes.length
  const known = { name: 'app', version, os: 'any', arch: 'any', file, size, digest, path }
  return `${JSON.stringify({ schema: 1, ...known, proofs: [{ by: 'digest' }] })}\n`
}

/** Ends a process with this one, however this one ends (but for kill -9). */
export function endWithUs(child: ChildProcess): void {
  process.on('exit', () => child.kill('SIGTERM'))
  if (process.listenerCount('SIGTERM') === 0) process.on('SIGTERM', () => process.exit(143))
}

const longest = 120_000 // ms that a run may take

type Kill = number | ((kill: () => void) => void)

/**
 * Runs gupper, and kills it after a while when told to.
 * @param command the words that start gupper
 * @param kill after how many ms; or a function that gets the killer, and calls it when it likes
 */
export function run(
  command: readonly string[],
  args: readonly string[],
  {
    input = '',
    kill,
    env = {},
  }: { input?: string; kill?: Kill; env?: Record<string, string> | undefined } = {},
): Promise<Run> {
  const [file = '', ...first] = command
  const began = performance.now()
  const child = spawn(file, [...first, ...args], { env: { ...process.env, ...env } })
  const out = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (out.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (out.stderr += chunk.toString()))
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const end = (): void => void child.kill('SIGKILL')
  const timer = typeof kill === 'number' ? setTimeout(end, kill) : undefined
  if (typeof kill === 'function') kill(end)
  return new Promise((resolve, reject) => {
    // What does not end is told at once, with what is known of it, not by the deadline of all tests together.
    const late = setTimeout(() => {
      const open = child.stdio.map((stream, i) => (stream?.destroyed === false ? i : '')).join('')
      const state = `status ${child.exitCode}, signal ${child.signalCode}, open streams: ${open || 'none'}`
      end()
      reject(new Error(`${args.join(' ')} has not ended for ${longest / 1000} s: ${state}; ${out.stderr}`))
    }, longest)
    child.on('error', reject)
    child.on('close', (status, signal) => {
      clearTimeout(timer)
      clearTimeout(late)
      resolve({ status, signal, ...out, took: performance.now() - began })
    })
  })
}

/**
 * Says which version stands at the target, wholly: the program runs and says it, and every byte of it is that version's.
 * @throws when there is none, it does not run, or it is a mixture
 */
export async function standing(world: World): Promise<string> {
  const said = await run([world.program], [])
  const version = /^app version (\S+)\n$/.exec(said.stdout)?.[1]
  if (said.status !== 0 || version === undefined)
    throw new Error(`the program does not run: ${JSON.stringify(said)}`)
  const text = await readFile(world.program, 'utf8')
  if (!text.endsWith(`\n${version}\n`) || text.length < padding.length)
    throw new Error(`the program of ${version} is not whole`)
  if (world.kind === 'file') return version
  const deep = join(world.target, 'lib', 'deep')
  const files = (await readdir(deep)).toSorted()
  const texts = await Promise.all(files.map((file) => readFile(join(deep, file), 'utf8')))
  if (texts.join('') !== Array.from({ length: 3 }, (_, i) => `${version} ${i}\n`).join(''))
    throw new Error(`the tree of ${version} is not whole: ${JSON.stringify(texts)}`)
  return version
}

/** Complains about leftovers: more slots than are kept, temporary files, anything beside the target. */
export async function findLeftovers({ dir, kind }: World): Promise<string | undefined> {
  const home = join(dir, '.gupper', 'app')
  const temporary = await readdir(join(home, 'tmp'))
  if (temporary.length > 0) return `temporary files: ${temporary.join(', ')}`
  const names = await readdir(join(home, 'slots'))
  const slots = names.filter((name) => !name.endsWith('.manifest'))
  if (slots.length > keep) return `${slots.length} slots: ${slots.join(', ')}`
  if (names.length > slots.length * (kind === 'tree' ? 2 : 1))
    return `too many manifests: ${names.join(', ')}`
  const beside = (await readdir(dir)).filter((name) => name !== '.by-hand')
  if (beside.length !== 2) return `beside the target: ${beside.join(', ')}`
  const { size } = await stat(join(home, 'receipt.json'))
  return size > 32_768 ? `a receipt of ${size} bytes` : undefined
}
