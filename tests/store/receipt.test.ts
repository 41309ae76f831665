import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { digestOf } from '../../src/package/digest.ts'
import {
  activate,
  findPrevious,
  forgive,
  isRejected,
  readReceipt,
  reject,
  writeReceipt,
  type Receipt,
  type Slot,
} from '../../src/store/receipt.ts'
import { homeOf, nameSlot, type Home } from '../../src/store/slots.ts'

let dir: string
let home: Home

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gupper receipt '))
  home = homeOf(join(dir, 'app'))
  await mkdir(home.temporary, { recursive: true })
})
afterEach(() => rm(dir, { recursive: true, force: true }))

function slot(version: string): Slot {
  return { slot: `${version}-x`, kind: 'file', version, digest: digestOf(version) }
}

function receiptOf(...slots: Slot[]): Receipt {
  return { schema: 1, slots, rejected: [] }
}

test('a receipt is read as it was written, and nothing else stays there', async () => {
  const receipt = receiptOf(slot('1.0.0'))
  reject(receipt, slot('2.0.0'), 'check-failed')
  await writeReceipt(home, receipt)
  expect(await readReceipt(home)).toEqual(receipt)
  expect(await readdir(home.root)).toEqual(['receipt.json', 'reserve', 'tmp'])
  expect(await readdir(home.temporary)).toEqual([])
})

test('a receipt that is not there is empty', async () => {
  expect(await readReceipt(homeOf(join(dir, 'other')))).toEqual(receiptOf())
})

test.each([
  ['not JSON', '{"schema":1,'],
  ['a list', '[]'],
  ['null', 'null'],
  ['without slots', '{"schema":1}'],
  ['a slot that leads elsewhere', JSON.stringify(receiptOf({ ...slot('1.0.0'), slot: '../../../etc' }))],
  ['a slot of no version', JSON.stringify(receiptOf({ ...slot('1.0.0'), version: 'newest' }))],
  ['a slot that is none', '{"schema":1,"slots":[null],"rejected":[]}'],
])('a receipt that is %s is refused: taken for none, it would cost all kept versions', async (_, text) => {
  await writeFile(home.receipt, text)
  await expect(readReceipt(home)).rejects.toMatchObject({ code: 'damaged', exit: 65 })
})

test('a receipt of a newer gupper is refused', async () => {
  await writeFile(home.receipt, '{"schema":2,"more":true}')
  await expect(readReceipt(home)).rejects.toMatchObject({ code: 'config', exit: 78 })
})

test('what went live last is the newest, whatever the clock says', () => {
  const [a, b, c] = [slot('1.0.0'), slot('1.1.0'), slot('1.2.0')]
  const receipt: Receipt = { ...receiptOf(a, b, c), pending: { step: 'install', to: a.slot } }
  for (const each of [a, b, c, a]) activate(receipt, each)
  expect(receipt.slots.map(({ version }) => version)).toEqual(['1.1.0', '1.2.0', '1.0.0'])
  expect(receipt.pending).toBeUndefined()
  expect(findPrevious(receipt, receipt.slots[2])?.version).toBe('1.2.0')
})

test('what never went live or was taken back is not gone back to', () => {
  const receipt = receiptOf()
  for (const version of ['1.0.0', '1.1.0', '1.3.0']) activate(receipt, slot(version))
  receipt.slots.push(slot('1.2.0'))
  const current = receipt.slots.find(({ version }) => version === '1.3.0')
  reject(receipt, slot('1.1.0'), 'rolled-back')
  expect(findPrevious(receipt, current)?.version).toBe('1.0.0')
  forgive(receipt, digestOf('1.1.0'))
  expect(findPrevious(receipt, current)?.version).toBe('1.1.0')
})

test('a build is rejected once, and the oldest of very many are forgotten', () => {
  const receipt = receiptOf()
  for (let i = 0; i < 300; i++) reject(receipt, slot(`1.0.${i}`), 'rolled-back')
  reject(receipt, slot('1.0.299'), 'check-failed')
  expect(receipt.rejected).toHaveLength(256)
  expect(isRejected(receipt, digestOf('1.0.299'))).toBe(true)
  expect(isRejected(receipt, digestOf('1.0.0'))).toBe(false)
})

test('slots of the same version and the same first digits get names of their own', () => {
  const digest = `sha256:${'ab'.repeat(32)}`
  expect(nameSlot(receiptOf(), '1.0.0-beta.1+build', digest)).toBe('1.0.0-beta.1+build-abababab')
  const taken = receiptOf({ ...slot('1.0.0'), slot: '1.0.0-abababab' })
  expect(nameSlot(taken, '1.0.0', digest)).toBe('1.0.0-abababab-2')
  expect(nameSlot(receiptOf(), '../../x', digest)).toBe('_x-abababab')
})
