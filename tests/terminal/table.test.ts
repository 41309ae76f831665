import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createTable, type Columns } from '../../src/terminal/table.ts'
import { widthOf } from '../../src/terminal/text.ts'

const record = (more: object = {}) => ({
  ...{ schema: 1, name: 'app', version: '1.0.0', os: 'linux', arch: 'amd64', file: 'app-1.0.0-linux-amd64' },
  ...{ size: 6_835_391, digest: `sha256:9f86d081884c${'0'.repeat(52)}`, published: '2026-11-20T10:00:00Z' },
  ...more,
})

function start(
  columns?: Columns,
  options: { color?: boolean; write?: (text: string) => Promise<boolean> } = {},
) {
  const writes: string[] = []
  const write = (text: string): Promise<boolean> => {
    writes.push(text)
    return options.write?.(text) ?? Promise.resolve(true)
  }
  const table = createTable(columns, { write, color: options.color ?? false })
  return { ...table, writes, lines: () => writes.join('').split('\n') }
}

describe('a table', () => {
  it('of records has their columns, aligned, under a heading', async () => {
    const { add, end, lines } = start()
    await add(record())
    await add(record({ name: 'longer-name', version: '1.0.0-rc.1', size: undefined, digest: undefined }))
    await end()
    expect(lines()).toEqual([
      'NAME         VERSION     PLATFORM     SIZE    DIGEST        PUBLISHED',
      'app          1.0.0       linux/amd64  6.8 MB  9f86d081884c  2026-11-20T10:00:00Z',
      'longer-name  1.0.0-rc.1  linux/amd64  -       -             2026-11-20T10:00:00Z',
      '',
    ])
  })

  it('shows where the bytes are, what is proven, and what was installed, once records say so', async () => {
    const heads = async (more: object): Promise<string> => {
      const { add, end, lines } = start()
      await add(record(more))
      await end()
      return lines().slice(0, 2).join('\n')
    }
    expect(await heads({ path: '/tmp/app', proofs: [{ by: 'digest' }, { by: 'minisign' }] })).toMatch(
      /PROOFS +PATH\n.* digest,minisign +\/tmp\/app$/,
    )
    expect(await heads({ proofs: [] })).toMatch(/PROOFS +PUBLISHED\n.* - +2026/)
    expect(await heads({ installed: { path: '/opt/app', changed: true, previous: '0.9.0' } })).toMatch(
      /INSTALLED\n.* \/opt\/app \(was 0\.9\.0\)$/,
    )
    expect(await heads({ installed: { path: '/opt/app', changed: true } })).toMatch(/ \/opt\/app$/)
    expect(await heads({ installed: { path: '/opt/app', changed: false } })).toMatch(
      /\/opt\/app \(nothing to do\)$/,
    )
  })

  it('takes rows that lack what the first one has', async () => {
    const { add, end, lines } = start()
    await add(record({ installed: { path: '/opt/app', changed: true }, proofs: [{ by: 'digest' }] }))
    await add(record())
    await add({ error: 1 })
    await end()
    expect(lines().slice(2, 4)).toEqual([
      expect.stringMatching(/^app .* -$/) as string,
      expect.stringMatching(/^- .* -$/) as string,
    ])
  })

  it('of other values has a column a field', async () => {
    const { add, end, lines } = start()
    await add({ path: '/a', used: true, more: { deep: [1] } })
    await add({ path: '/bb', used: null })
    await end()
    expect(lines()).toEqual(['PATH  USED  MORE', '/a    true  {"deep":[1]}', '/bb   -     -', ''])
  })

  it('can have columns of its own', async () => {
    const { add, end, lines } = start({ WHAT: ({ a }) => String(a) })
    await add({ a: 1, b: 2 })
    await end()
    expect(lines()).toEqual(['WHAT', '1', ''])
  })

  it('is nothing at all where there are no rows', async () => {
    const { end, writes } = start()
    await end()
    expect(writes).toEqual([])
  })

  it('is aligned by columns of the terminal, not by letters', async () => {
    const { add, end, lines } = start({ NAME: ({ name }) => String(name), X: () => '|' })
    for (const name of ['app', '漢字', '📦📦📦', 'e\u0301te\u0301', '𠀀']) await add({ name })
    await end()
    const before = lines()
      .filter(Boolean)
      .map((line) => widthOf(line.replace(/[|X]$/, '')))
    expect(new Set(before)).toEqual(new Set([8]))
  })

  it('spells out what a value, or the name of a field, could do to a terminal', async () => {
    const { add, end, lines } = start()
    await add({ name: '\u001b[2Japp\n\u202e', 'x\u001b[1m': 'a\tb' })
    await end()
    expect(lines()).toEqual(['NAME                  X\\u001b[1M', '\\u001b[2Japp\\n\\u202e  a\\tb', ''])
  })

  it('has a bold heading only where colours are wanted', async () => {
    const { add, end, lines } = start({ A: () => 'x', B: () => 'y' }, { color: true })
    await add({})
    await end()
    expect(lines()).toEqual(['\u001b[1mA  B\u001b[0m', 'x  y', ''])
  })

  it('passes on that its reader has gone', async () => {
    const { add, end } = start(undefined, { write: () => Promise.resolve(false) })
    expect(await add(record())).toBe(true)
    await end()
    expect(await add(record())).toBe(false)
  })
})

describe('rows over time', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('are held for a moment so that they line up, then shown without an end', async () => {
    const { add, lines, writes } = start({ A: ({ a }) => String(a), B: () => 'y' })
    await add({ a: 'x' })
    await add({ a: 'longer' })
    expect(writes).toEqual([])
    await vi.advanceTimersByTimeAsync(200)
    expect(lines()).toEqual(['A       B', 'x       y', 'longer  y', ''])
  })

  it('that come later are no narrower than those before, and bring no second heading', async () => {
    const { add, end, lines } = start({ A: ({ a }) => String(a), B: () => 'y' })
    await add({ a: 'longer' })
    await vi.advanceTimersByTimeAsync(200)
    await add({ a: 'x' })
    await vi.advanceTimersByTimeAsync(200)
    await add({ a: 'the longest' })
    await end()
    expect(lines()).toEqual(['A       B', 'longer  y', 'x       y', 'the longest  y', ''])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('are not held without bound, however many come at once', async () => {
    const { add, writes } = start({ A: ({ a }) => String(a) })
    for (let a = 0; a < 1000; a++) await add({ a })
    expect(writes).toHaveLength(1)
    expect(writes[0]?.split('\n')).toHaveLength(1001)
  })

  it('wait for a reader that is slower', async () => {
    let release: ((open: boolean) => void) | undefined
    const write = () => new Promise<boolean>((resolve) => (release = resolve))
    const { add } = start({ A: ({ a }) => String(a) }, { write })
    let added = 0
    const adding = (async () => {
      for (; added < 1500; added++) await add({ a: added })
    })()
    await vi.advanceTimersByTimeAsync(0)
    expect(added).toBeLessThan(1000)
    release?.(true)
    await adding
    expect(added).toBe(1500)
  })

  it('that are still on their way are out when the end is reached', async () => {
    let release: (() => void) | undefined
    const write = () => new Promise<boolean>((resolve) => (release = () => resolve(true)))
    const { add, end } = start({ A: () => 'x' }, { write })
    await add({})
    await vi.advanceTimersByTimeAsync(200)
    let ended = false
    const ending = end().then(() => (ended = true))
    await vi.advanceTimersByTimeAsync(0)
    expect(ended).toBe(false)
    release?.()
    await ending
    expect(ended).toBe(true)
  })
})
