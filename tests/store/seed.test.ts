import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readSeed } from '../../src/store/seed.ts'
import { makeState, runScript } from './machine.ts'

test('the seed is made once, at random, for its owner', () => {
  const [state, other] = [join(makeState(), 'deep', 'gupper'), makeState()]
  const seed = readSeed(state)
  expect(seed).toMatch(/^[0-9a-f]{32}$/)
  expect(readSeed(state)).toBe(seed)
  expect(readSeed(other)).not.toBe(seed)
  expect(statSync(join(state, 'seed')).mode & 0o777).toBe(0o600)
  expect(readdirSync(state)).toEqual(['seed'])
})

test('processes that make the seed at once get the same one, and leave nothing else', async () => {
  const state = makeState()
  // They begin at the same time of the clock, once all are up.
  const script = `
    const { readSeed } = await import('$/store/seed.ts')
    while (Date.now() < Number(process.argv[2]));
    console.log(readSeed(process.argv[1]))`
  const at = String(Date.now() + 2500)
  const seeds = await Promise.all(Array.from({ length: 6 }, () => runScript(script, state, at)))
  expect(new Set(seeds).size).toBe(1)
  expect(seeds[0]?.trim()).toBe(readSeed(state))
  expect(readdirSync(state)).toEqual(['seed'])
})

test.each(['', 'abc', '0'.repeat(32), `${'g'.repeat(32)}\n`, `${'0'.repeat(33)}\n`])(
  'a damaged seed is made anew: %j',
  (text) => {
    const state = makeState()
    writeFileSync(join(state, 'seed'), text)
    const seed = readSeed(state)
    expect(seed).toMatch(/^[0-9a-f]{32}$/)
    expect(readFileSync(join(state, 'seed'), 'utf8')).toBe(`${seed}\n`)
  },
)

test('what a killed process left is cleared away by the next that makes a seed', () => {
  const state = makeState()
  writeFileSync(join(state, 'seed.123-0a1b2c3d.new'), 'half')
  writeFileSync(join(state, 'seed.notes'), 'mine')
  readSeed(state)
  expect(readdirSync(state).sort()).toEqual(['seed', 'seed.notes'])
})

test('a place where nothing can be kept is told with 73', () => {
  const state = makeState()
  writeFileSync(join(state, 'file'), '')
  const refused = expect.objectContaining({ code: 'cannot-write', exit: 73 }) as Error
  expect(() => readSeed(join(state, 'file', 'gupper'))).toThrow(refused)
  expect(() => readSeed('/proc/nowhere/gupper')).toThrow(refused)
  mkdirSync(join(state, 'seed'))
  expect(() => readSeed(state)).toThrow(`cannot read ${join(state, 'seed')}: it is a directory`)
})
