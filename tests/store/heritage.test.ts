import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { findTrusted, placeOf } from '../../src/store/heritage.ts'
import { openTrustedStore } from '../../src/store/trusted.ts'
import { idOf, noMarks, type Marks } from '../../src/trust/tuf/marks.ts'
import { Repository } from '../trust/conformance/simulator.ts'

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

it('a root that was followed on the way to the trusted one takes over what was seen, the latest of several', async () => {
  const [third, other] = [Buffer.from('the third root'), Buffer.from('the root of another program')]
  const roots = [first, second, third].map(idOf)
  const late = { ...marks, root: 3, timestamp: 12, roots }
  const states: [Buffer, Marks][] = [
    [other, { ...marks, roots: [idOf(other), idOf(second)] }],
    [third, late],
    [Buffer.from('a fourth root'), { ...late, timestamp: 11 }],
  ]
  for (const [pinned, seen] of states) {
    const store = await openTrustedStore(placeOf(home, idOf(pinned)))
    await store.commit(new Map([['root', third]]), [], seen)
  }
  const store = await openTrustedStore(await findTrusted(home, second, {}))
  expect(store.marks).toEqual(late)
  expect(Buffer.from((await store.read('root')) ?? []).toString()).toBe('the third root')
})

describe('where only the newest root is known', () => {
  const repository = new Repository()
  const roots = [1, 2, 3].map((version) => {
    if (version > 1) repository.publish('root')
    return repository.files.get(`${version}.root.json`) ?? Buffer.alloc(0)
  })
  const [one = first, two = first, three = first] = roots
  const follow = async (seen: Marks): Promise<void> => {
    const store = await openTrustedStore(placeOf(home, idOf(one)))
    await store.commit(new Map([['root', three]]), [], seen)
  }

  it('one that an earlier gupper followed is known by its keys, which signed the newest', async () => {
    await follow({ ...marks, root: 3 })
    const store = await openTrustedStore(await findTrusted(home, two, {}))
    expect(store.marks).toMatchObject({ root: 3, timestamp: 9 })
  })

  it('another repository of the same keys takes over nothing', async () => {
    await follow({ ...marks, root: 3, roots: [one, three].map(idOf) })
    expect((await openTrustedStore(await findTrusted(home, two, {}))).marks).toEqual(noMarks())
  })
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
