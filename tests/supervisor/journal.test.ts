import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished } from 'vitest'
import { Journal } from '../../src/supervisor/journal.ts'
import { it, saved } from './tools.ts'

const release = { version: '1.0.0', path: '/slots/one' }
const entry = (to: string): { time: string; event: string; to: string } => ({
  time: 'now',
  event: 'activated',
  to,
})

const module = join(import.meta.dirname, '../../src/supervisor/journal.ts')

async function open(directory: string): Promise<Journal> {
  const journal = await Journal.open(join(directory, 'state.db'))
  onTestFinished(() => journal.close())
  return journal
}

describe('the journal of a service', () => {
  it('begins with a service that is well and idle', async ({ directory }) => {
    const journal = await open(directory)
    expect(journal.facts).toEqual({ state: 'OK', phase: 'idle' })
    expect(journal.history(10)).toEqual([])
  })

  it('keeps facts and history for the next one who opens it', async ({ directory }) => {
    const first = await Journal.open(join(directory, 'state.db'))
    first.note({ state: 'FREEZE', frozen: true, live: saved('one', release), reason: 'it "is"\nso' })
    first.note({ phase: 'proving' }, entry('1.0.0'))
    first.close()
    const { facts } = await open(directory)
    expect(facts).toEqual({
      ...{
        state: 'FREEZE',
        phase: 'proving',
        frozen: true,
        live: saved('one', release),
        reason: 'it "is"\nso',
      },
    })
  })

  it('keeps what was written by one that was killed', async ({ directory }) => {
    const script = `const {Journal} = await import(${JSON.stringify(module)})
      const journal = await Journal.open('state.db')
      for (let i = 0; ; i++) { journal.note({ reason: String(i) }, { time: '', event: String(i) }); console.log(i) }`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      ...{ cwd: directory, stdio: ['ignore', 'pipe', 'inherit'] },
    })
    let told = ''
    child.stdout.on('data', (chunk: Buffer) => (told += chunk.toString()))
    await new Promise((resolve) => child.stdout.once('data', resolve))
    child.kill('SIGKILL')
    await once(child, 'close')
    const last = Number(told.slice(0, told.lastIndexOf('\n')).split('\n').at(-1))
    const journal = await open(directory)
    const [newest] = journal.history(1)
    expect(Number(journal.facts.reason)).toBeGreaterThanOrEqual(last)
    expect(newest?.event).toBe(journal.facts.reason)
  })

  it('takes out a fact that is undefined', async ({ directory }) => {
    const journal = await open(directory)
    journal.note({ reason: 'why', candidate: saved('two', release) })
    journal.note({ reason: undefined, candidate: undefined })
    const other = await open(directory)
    expect(other.facts).toEqual({ state: 'OK', phase: 'idle' })
  })

  it('tells the newest of its history first, and forgets what is older than the last thousand', async ({
    directory,
  }) => {
    const journal = await open(directory)
    for (let i = 0; i < 1010; i++) journal.add(entry(String(i)))
    expect(journal.history(2).map(({ to }) => to)).toEqual(['1009', '1008'])
    expect(journal.history(5000)).toHaveLength(1000)
  })

  it('is read by another while it is written', async ({ directory }) => {
    const writer = await open(directory)
    const reader = await open(directory)
    for (let i = 0; i < 50; i++) {
      writer.note({ reason: String(i) }, entry(String(i)))
      expect(reader.history(1)).toEqual([entry(String(i))])
    }
    const later = await open(directory)
    expect(later.facts.reason).toBe('49')
  })

  it('says so when it is none, or is damaged (65)', async ({ directory }) => {
    await writeFile(
      join(directory, 'state.db'),
      'this is not a database, whatever its name says\n'.repeat(100),
    )
    await expect(Journal.open(join(directory, 'state.db'))).rejects.toMatchObject({
      ...{ code: 'damaged', message: expect.stringContaining('is damaged') as string },
    })
  })

  it('says so when it cannot be written (73)', async ({ directory }) => {
    await expect(Journal.open(join(directory, 'missing', 'state.db'))).rejects.toMatchObject({
      code: 'cannot-write',
    })
  })

  it('says so on a full disk (73), stays what it was, and takes the next when there is room', async ({
    directory,
    skip,
  }) => {
    const small = join(directory, 'small')
    try {
      execFileSync('sh', ['-c', 'mkdir "$1" && mount -t tmpfs -o size=128k tmpfs "$1"', 'sh', small], {
        stdio: 'ignore',
      })
    } catch {
      skip('needs the right to mount')
    }
    const journal = await Journal.open(join(small, 'state.db'))
    try {
      journal.note({ reason: 'before' })
      await writeFile(join(small, 'filler'), Buffer.alloc(128 * 1024)).catch(() => undefined)
      const long = 'x'.repeat(64 * 1024)
      expect(() => journal.note({ reason: long })).toThrow(
        expect.objectContaining({ code: 'no-space' }) as Error,
      )
      expect(journal.facts.reason).toBe('before')
      await writeFile(join(small, 'filler'), '')
      journal.note({ reason: 'after' }, entry('2.0.0'))
      expect(journal.facts.reason).toBe('after')
    } finally {
      journal.close()
      execFileSync('umount', [small])
    }
  })
})
