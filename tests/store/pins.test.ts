import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { from } from '../../src/package/flow.ts'
import { install } from '../../src/store/install.ts'
import { pin } from '../../src/store/pins.ts'
import { homeOf } from '../../src/store/slots.ts'
import { makeRaw } from './packages.ts'

// Everything here is synced, which takes seconds on a disk that others keep busy.
vi.setConfig({ testTimeout: 60_000 })

const env = { PATH: process.env.PATH }
let dir: string
let app: string

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gupper pins '))
  app = join(dir, 'app')
})
afterEach(() => rm(dir, { recursive: true, force: true }))

async function put(...versions: string[]): Promise<void> {
  for (const version of versions) {
    const items = from([await makeRaw(dir, version)])
    await Array.fromAsync(install(items, { to: app, cwd: dir, env, keep: 1 }))
  }
}

const slots = (): Promise<string[]> => readdir(homeOf(app).slots)
async function kept(): Promise<string[]> {
  return (await slots()).map((slot) => slot.slice(0, 5)).sort()
}

describe('what a service has pinned', () => {
  test('is never pruned, until it is no longer pinned', async () => {
    await put('1.0.0')
    await pin(homeOf(app), 'web', await slots())
    await put('1.1.0', '1.2.0', '1.3.0')
    expect(await kept()).toEqual(['1.0.0', '1.2.0', '1.3.0'])
    await pin(homeOf(app), 'web', [])
    await put('1.4.0')
    expect(await kept()).toEqual(['1.3.0', '1.4.0'])
  })

  test('is so for each service by itself', async () => {
    await put('1.0.0')
    await pin(homeOf(app), 'web', await slots())
    await pin(homeOf(app), 'other', ['elsewhere'])
    await put('1.1.0', '1.2.0', '1.3.0')
    expect(await kept()).toContain('1.0.0')
  })

  test.each([
    ['garbage pins nothing', 'nonsense', false],
    ['nor does what is no list', '{"schema":1,"slots":"1.0.0"}', false],
    ['what a newer gupper wrote pins everything', '{"schema":2}', true],
  ])('%s', async (_, text, all) => {
    await put('1.0.0')
    await mkdir(homeOf(app).pins)
    await writeFile(join(homeOf(app).pins, 'web'), text)
    await put('1.1.0', '1.2.0', '1.3.0')
    expect((await kept()).includes('1.0.0')).toBe(all)
  })

  test('is everything, where it cannot be read', async () => {
    await put('1.0.0')
    await mkdir(join(homeOf(app).pins, 'web'), { recursive: true })
    await put('1.1.0', '1.2.0', '1.3.0')
    expect(await kept()).toContain('1.0.0')
  })
})
