import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Clock } from '../../src/store/clock.ts'
import { openFirstSeen, type FirstSeen } from '../../src/store/first-seen.ts'
import { makeListener, makeRecord, makeState, runScript } from './machine.ts'

const noon = Date.parse('2026-11-20T12:00:00Z')
const at = (ms: number): Clock => ({ now: new Date(ms), latest: new Date(ms), setBack: false, file: '' })
const day = 86_400_000
const open = (file: string, ms = noon, listener = makeListener()): Promise<FirstSeen> =>
  openFirstSeen(file, at(ms), listener)
/** Notes are written when what is going on has been done. */
const written = (): Promise<void> => Promise.resolve()

test('a build is remembered as it was first seen, in this process and the next', async () => {
  const file = join(makeState(), 'deep', 'first-seen')
  const seen = await open(file)
  expect(seen.of(makeRecord('1.0.0', 1), noon)).toBe(noon)
  expect(seen.of(makeRecord('1.0.0', 1), noon + day)).toBe(noon)
  await written()
  expect((await open(file, noon + day)).of(makeRecord('1.0.0', 1), noon + day)).toBe(noon)
})

test('a build is known by its bytes, and only without them by its name', async () => {
  const seen = await open(join(makeState(), 'first-seen'))
  seen.of(makeRecord('1.0.0', 1), noon)
  seen.of(makeRecord('2.0.0'), noon)
  const later = noon + day
  expect(seen.of(makeRecord('1.0.0', 1, { file: 'other', name: 'other' }), later)).toBe(noon)
  expect(seen.of(makeRecord('1.0.0', 2), later)).toBe(later)
  expect(seen.of(makeRecord('1.0.0'), later)).toBe(later)
  expect(seen.of(makeRecord('2.0.0', undefined, { source: 'http://b' }), later)).toBe(noon)
  expect(seen.of(makeRecord('2.0.0', undefined, { name: 'bee' }), later)).toBe(later)
  // What a server says of a time is no matter.
  expect(seen.of(makeRecord('3.0.0', 3, { published: '2000-01-01T00:00:00Z' }), later)).toBe(later)
})

test('builds that are noted in one go are one line each, whole ones', async () => {
  const file = join(makeState(), 'first-seen')
  const seen = await open(file)
  for (let i = 0; i < 1000; i++) seen.of(makeRecord('1.0.0', i), noon)
  await written()
  const text = readFileSync(file, 'utf8')
  expect(text).toMatch(/^([0-9a-f]{32} \d{13}\n){1000}$/)
})

test('of two processes at once, none loses what it noted', async () => {
  const state = makeState()
  const script = `
    const { openFirstSeen } = await import('$/store/first-seen.ts')
    const now = new Date(${noon})
    const seen = await openFirstSeen(process.argv[1], { now, latest: now, setBack: false, file: '' }, { warn() {} })
    for (let i = 0; i < 500; i++) {
      const digest = 'sha256:' + (Number(process.argv[2]) * 1000 + i).toString(16).padStart(32, '0').padEnd(64, '0')
      seen.of({ name: 'app', file: 'app', digest }, ${noon})
      await Promise.resolve()
    }`
  const file = join(state, 'first-seen')
  await Promise.all([1, 2, 3].map((n) => runScript(script, file, String(n))))
  const seen = await open(file, noon + day)
  for (const n of [1, 2, 3])
    for (let i = 0; i < 500; i++) expect(seen.of(makeRecord('1.0.0', n * 1000 + i), noon + day)).toBe(noon)
})

test('a process that is killed while it writes costs at most its last line', async () => {
  const file = join(makeState(), 'first-seen')
  const script = `
    const { openFirstSeen } = await import('${join(import.meta.dirname, '../../src/store/first-seen.ts')}')
    const now = new Date(${noon})
    const seen = await openFirstSeen(process.argv[1], { now, latest: now, setBack: false, file: '' }, { warn() {} })
    for (let i = 0; ; i++) {
      seen.of({ name: 'app', file: 'app', digest: 'sha256:' + i.toString(16).padStart(32, '0').padEnd(64, '0') }, ${noon})
      await Promise.resolve()
      if (i === 300) process.stdout.write('busy')
      if (i % 100 === 0) await new Promise(setImmediate)
    }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'exit')
  const listener = makeListener()
  const seen = await open(file, noon + day, listener)
  for (let i = 0; i < 300; i++) expect(seen.of(makeRecord('1.0.0', i), noon + day)).toBe(noon)
  expect(listener.warnings).toEqual([])
})

test('a line that was cut off is none, and does not swallow the next', async () => {
  const file = join(makeState(), 'first-seen')
  const [key, other] = ['0'.repeat(31) + '1', '0'.repeat(31) + '2']
  writeFileSync(file, `${other} ${noon}\n${key} ${String(noon).slice(0, 10)}`)
  const digest = (start: string): object => ({ digest: `sha256:${start}${'0'.repeat(32)}` })
  const seen = await open(file)
  expect(seen.of(makeRecord('1.0.0', 1, digest(key)), noon + day)).toBe(noon + day)
  await written()
  const again = await open(file, noon + 2 * day)
  expect(again.of(makeRecord('1.0.0', 1, digest(key)), noon + 2 * day)).toBe(noon + day)
  expect(again.of(makeRecord('1.0.0', 1, digest(other)), noon + 2 * day)).toBe(noon)
})

test('a damaged file makes builds new, never old, and people are told', async () => {
  const file = join(makeState(), 'first-seen')
  const key = '0'.repeat(32)
  const broken = [
    '\u0000'.repeat(44),
    `${key} 1`,
    `${key} 0000000000000`,
    `${key} 1795176000`,
    `${key} 1e9`,
    `${key} -100000000000`,
  ]
  writeFileSync(file, `${broken.join('\n')}\n`)
  const listener = makeListener()
  const seen = await open(file, noon, listener)
  expect(seen.of(makeRecord('1.0.0', 0), noon)).toBe(noon)
  expect(listener.warnings).toEqual([expect.stringContaining(`${file} is damaged`)])
})

test('of two lines the earlier counts; times of a clock that was wrong do not', async () => {
  const file = join(makeState(), 'first-seen')
  const key = (n: number): string => n.toString().padStart(32, '0')
  const digest = (n: number): object => ({ digest: `sha256:${key(n)}${'0'.repeat(32)}` })
  const lines = [`${key(1)} ${noon - day}`, `${key(1)} ${noon - 2 * day}`, `${key(2)} ${noon + 1000 * day}`]
  writeFileSync(file, `${lines.join('\n')}\n`)
  const seen = await open(file)
  expect(seen.of(makeRecord('1.0.0', 0, digest(1)), noon)).toBe(noon - 2 * day)
  expect(seen.of(makeRecord('1.0.0', 0, digest(2)), noon)).toBe(noon)
})

test('the file does not grow without end: what was seen longest ago is forgotten', async () => {
  const state = makeState()
  const file = join(state, 'first-seen')
  const lines = Array.from({ length: 200_001 }, (_, i) => `${i.toString(16).padStart(32, '0')} ${noon}\n`)
  writeFileSync(file, lines.join(''))
  const seen = await open(file)
  await expect.poll(() => readFileSync(file, 'utf8').split('\n').length, { timeout: 10_000 }).toBe(100_001)
  expect(readdirSync(state).sort()).toEqual(['first-seen', 'first-seen.lock'])
  expect(seen.of(makeRecord('1.0.0', 200_000), noon + day)).toBe(noon)
  expect(seen.of(makeRecord('1.0.0', 1), noon + day)).toBe(noon + day)
})

test('where nothing can be noted, what is new fails with 73; what is known does not', async () => {
  const state = makeState()
  writeFileSync(join(state, 'file'), '')
  const seen = await open(join(state, 'file', 'gupper', 'first-seen'))
  expect(() => seen.of(makeRecord('1.0.0', 1), noon)).toThrow(
    expect.objectContaining({ code: 'cannot-write', exit: 73 }) as Error,
  )
  mkdirSync(join(state, 'first-seen'))
  await expect(open(join(state, 'first-seen'))).rejects.toThrow('it is a directory')
})
