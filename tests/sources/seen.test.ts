import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import type { PackageRecord } from '../../src/package/record.ts'
import { openSeen } from '../../src/sources/seen.ts'

const digest = `sha256:${'ab'.repeat(32)}`
const make = (file: string, more: Partial<PackageRecord> = {}): PackageRecord => ({
  schema: 1,
  name: 'app',
  version: '1.0.0',
  os: 'any',
  arch: 'any',
  file,
  ...more,
})

async function makeFile(): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'gupper-seen-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  return path.join(dir, 'seen')
}

it('remembers bytes under each of their names, also when it is opened again', async () => {
  const file = await makeFile()
  const seen = await openSeen(file)
  await seen.add(make('app-1.0.0-any-any', { digest }))
  await seen.close()
  const again = await openSeen(file)
  expect(again.has(make('app-1.0.0-any-any', { digest }))).toBe(true)
  expect(again.has(make('app-1.0.1-any-any', { digest }))).toBe(false)
  await again.close()
})

it('takes the digests alone that were remembered before, and no name for nothing', async () => {
  const file = await makeFile()
  await writeFile(file, `${digest}\n\n`)
  const seen = await openSeen(file)
  expect(seen.has(make('app-1.0.0-any-any', { digest }))).toBe(true)
  expect(seen.has(make('app-1.0.0-any-any', { source: 'http://repo' }))).toBe(false)
  await seen.close()
})
