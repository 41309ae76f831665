import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { beforeEach, expect, it, onTestFinished } from 'vitest'
import { findTrusted, placeOf } from '../../src/store/heritage.ts'
import { openTrustedStore } from '../../src/store/trusted.ts'
import { noMarks } from '../../src/trust/tuf/marks.ts'

const [first, second] = [Buffer.from('the first root'), Buffer.from('the second root')]
const marks = { ...noMarks(), root: 2, timestamp: 9, snapshot: 7, roles: { 'targets.json': 5 } }
let home = ''

beforeEach(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'gupper-heritage-'))
  onTestFinished(() => rm(home, { recursive: true, force: true }))
  // Pinned was the first; by now the second is trusted.
  const store = await openTrustedStore(await findTrusted(home, first, {}))
  await store.commit(
    new Map([
      ['root', second],
      ['timestamp', Buffer.from('a timestamp')],
    ]),
    [],
    marks,
  )
})

it('a newer root that is trusted already takes over what was seen under the older', async () => {
  const store = await openTrustedStore(await findTrusted(home, second, {}))
  expect(store.marks).toEqual(marks)
  expect(Buffer.from((await store.read('timestamp')) ?? []).toString()).toBe('a timestamp')
  // Each goes its own way from there.
  await store.commit(new Map(), [], { ...marks, timestamp: 10 })
  expect((await openTrustedStore(await findTrusted(home, first, {}))).marks.timestamp).toBe(9)
  expect((await openTrustedStore(await findTrusted(home, second, {}))).marks.timestamp).toBe(10)
})

it('another root takes over nothing', async () => {
  const place = await findTrusted(home, Buffer.from('another root'), {})
  expect((await openTrustedStore(place)).marks).toEqual(noMarks())
})

it('strange files among the states are no hindrance', async () => {
  await writeFile(path.join(home, 'trust', 'file'), '')
  await mkdir(path.join(home, 'trust', 'empty'))
  await mkdir(placeOf(home, 'half').directory, { recursive: true })
  await writeFile(path.join(placeOf(home, 'half').directory, 'root.json'), second)
  const store = await openTrustedStore(await findTrusted(home, second, {}))
  expect(store.marks).toEqual(marks)
  expect(JSON.parse(await readFile(placeOf(home, 'half').marks, 'utf8').catch(() => 'null'))).toBeNull()
})
