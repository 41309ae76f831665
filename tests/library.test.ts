// The library as its users have it: the built package, imported by name, by a program and by a compiler.
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, it } from 'vitest'

const root = path.dirname(import.meta.dirname)
let dir = ''

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'gupper-library-'))
  await mkdir(path.join(dir, 'node_modules', '@types'), { recursive: true })
  await symlink(root, path.join(dir, 'node_modules', 'gupper'))
  await symlink(path.join(root, 'node_modules/@types/node'), path.join(dir, 'node_modules/@types/node'))
  await writeFile(path.join(dir, 'package.json'), '{"type":"module"}')
  await writeFile(path.join(dir, 'app-1.0'), '#!/bin/sh\necho app 1.0.0\n', { mode: 0o755 })
  await writeFile(path.join(dir, 'app-1.1'), '#!/bin/sh\necho app 1.1.0\n', { mode: 0o755 })
})
afterAll(() => rm(dir, { recursive: true, force: true }))

const embedding = `
import { createProver, fetch, from, initRepository, install, isFailure, list, openTrust, orThrow, pack, publish, readKeyring, rollback, select, update, verify, type Item, type PackageRecord } from 'gupper'

const world = { cwd: process.cwd(), env: process.env }
const cacheDir = 'cache'
const common = { name: 'app', os: 'any', arch: 'any', into: 'packages' } as const
await pack('app-1.0', { ...common, version: '1.0' })

const found = list(['packages'], world)
const fetched = fetch(found, { ...world, cacheDir })
for await (const record of orThrow(install(verify(fetched, world), { ...world, to: './app' })))
  console.log('installed', record.version, record.installed?.changed)

await pack('app-1.1', { ...common, version: '1.1' })
for await (const item of update(['packages'], { ...world, cacheDir, to: './app' }))
  console.log('updated', isFailure(item) ? item.error.code : item.version)
const back: PackageRecord = await rollback('./app', world)
console.log('back at', back.version)
for await (const _ of update(['packages'], { ...world, cacheDir, to: './app' })) console.log('never')

const all: Item[] = []
for await (const item of select(list(['packages'], { ...world, filter: { all: true } }), { range: '<1.1', os: 'linux' })) all.push(item)
console.log('selected', all.map((item) => ('version' in item ? item.version : 'failure')).join())

try {
  for await (const _ of orThrow(fetch(list(['nowhere'], world), { ...world, cacheDir }))) console.log('never')
} catch (error) {
  console.log('thrown', (error as { code: string; exit: number }).code, (error as { exit: number }).exit)
}
await initRepository('repo', { keys: 'keys' })
const keyring = await readKeyring(['keys'])
for await (const record of orThrow(publish(fetch(list(['packages'], world), { ...world, cacheDir }), { to: 'repo', keyring })))
  console.log('published', record.version)
const trust = await openTrust({ ...world, root: 'repo/metadata/1.root.json', home: 'state' })
const signed = { ...world, trust, tuf: createProver(trust, ['repo']), require: ['tuf'], cacheDir, to: './signed' }
for await (const record of orThrow(update(['repo'], signed)))
  console.log('proven by', record.proofs?.map(({ by }) => by).join())
for await (const item of install(from([{ schema: 1, name: 'x', version: '1.0.0', os: 'any', arch: 'any', file: 'x' }]), { ...world, to: './x' }))
  console.log('failure', isFailure(item) && item.error.exit)
`

it('embeds single steps and the whole update in a program', { timeout: 60_000 }, async () => {
  await writeFile(path.join(dir, 'program.ts'), embedding)
  const { stdout } = await execa(process.execPath, ['program.ts'], { cwd: dir })
  expect(stdout.split('\n')).toEqual([
    'installed 1.0.0 true',
    'updated 1.1.0',
    'back at 1.0.0',
    'selected 1.0.0',
    'thrown cannot-read 69',
    'published 1.1.0',
    'proven by digest,tuf',
    'failure 65',
  ])
})

it('is typed for strict programs', { timeout: 120_000 }, async () => {
  await writeFile(path.join(dir, 'typed.ts'), embedding)
  await writeFile(path.join(dir, 'wrong.ts'), "import { list } from 'gupper'\nlist('no list', {})\n")
  const flags =
    '--noEmit --strict --exactOptionalPropertyTypes --module nodenext --target es2024 --types node'
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc')
  const { stdout } = await execa(process.execPath, [tsc, ...flags.split(' '), 'typed.ts', 'wrong.ts'], {
    cwd: dir,
    reject: false,
  })
  expect(stdout.split('\n').filter((line) => /^\S+\(/.test(line))).toEqual([
    expect.stringContaining('wrong.ts(2,6): error TS2345') as string,
  ])
})

it('publishes the schema of the record', async () => {
  const file = path.join(dir, 'node_modules/gupper/src/package/record.schema.json')
  const manifest = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, unknown>
  }
  expect(manifest.exports['./record.schema.json']).toBe('./src/package/record.schema.json')
  expect(JSON.parse(await readFile(file, 'utf8'))).toHaveProperty('$schema')
})
