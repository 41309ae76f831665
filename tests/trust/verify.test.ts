import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { digestOf } from '../../src/package/digest.ts'
import { from } from '../../src/package/flow.ts'
import type { Failure, PackageRecord } from '../../src/package/record.ts'
import { maxWhole } from '../../src/trust/measure.ts'
import { verify, verifyFiles, type VerifyOptions } from '../../src/trust/verify.ts'
import { has } from './tools.ts'

const file = 'app-1.9.2-linux-amd64'
const fixture = (name: string): string => new URL(`fixtures/${name}`, import.meta.url).pathname
const key = fixture('example.pub')
const keyId = 'A2DAF9EA95989D82'

let dir: string
let path: string
let record: PackageRecord & { path: string }
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gupper-verify-'))
  path = join(dir, file)
  copyFileSync(fixture(file), path)
  const bytes = readFileSync(path)
  const names = { name: 'app', version: '1.9.2', os: 'linux', arch: 'amd64', file }
  record = { schema: 1, ...names, size: bytes.length, digest: digestOf(bytes), path }
})
afterEach(() => {
  rmSync(dir, { recursive: true })
})

async function prove(options: VerifyOptions, ...records: PackageRecord[]): Promise<PackageRecord[]> {
  const items = await Array.fromAsync(verify(from(records.length > 0 ? records : [record]), options))
  return items as PackageRecord[]
}

async function refuse(options: VerifyOptions, ...records: PackageRecord[]): Promise<Failure['error']> {
  const [item, ...more] = (await prove(options, ...records)) as unknown as Failure[]
  expect(more).toEqual([])
  expect(item).toHaveProperty('error')
  expect(item?.error.step).toBe('verify')
  return item?.error as Failure['error']
}

function sums(text: string): string {
  const where = join(dir, 'SUMS')
  writeFileSync(where, text)
  return where
}

const sha256 = (): string => createHash('sha256').update(readFileSync(path)).digest('hex')
const sha512 = (): string => createHash('sha512').update(readFileSync(path)).digest('hex')
const without = (...fields: string[]): PackageRecord => {
  const copy = { ...record }
  for (const field of fields) Reflect.deleteProperty(copy, field)
  return copy
}

describe('verify, asked for nothing', () => {
  it('hashes the bytes again and adds the proof once, leaving unknown fields alone', async () => {
    const [once] = await prove({}, { ...record, team: 'blue' })
    expect(once).toEqual({ ...record, team: 'blue', proofs: [{ by: 'digest' }] })
    expect(await prove({}, once as PackageRecord)).toEqual([once])
  })

  it('refuses bytes that changed since they were fetched', async () => {
    writeFileSync(path, 'the bytes of an example packagE\n')
    expect(await refuse({})).toMatchObject({ code: 'untrusted', exit: 77, record })
  })

  it('refuses a size that differs, before anything else is believed', async () => {
    expect(await refuse({}, { ...record, size: 5 })).toMatchObject({ code: 'untrusted' })
  })

  it('refuses a record that announced no digest, unless none is required', async () => {
    const bare = without('digest')
    expect(await refuse({}, bare)).toMatchObject({ code: 'unproven', exit: 77 })
    expect(await prove({ require: ['none'] }, bare)).toEqual([{ ...bare, proofs: [] }])
  })

  it('refuses wrong bytes also when none is required', async () => {
    writeFileSync(path, 'other')
    expect(await refuse({ require: ['none'] })).toMatchObject({ code: 'untrusted' })
  })

  it('takes no digest for a proof that fetch computed itself, and says so by an empty list of proofs', async () => {
    const computed = { ...record, proofs: [] }
    expect(await refuse({}, computed)).toMatchObject({ code: 'unproven' })
    expect(await refuse({ require: ['digest'] }, computed)).toMatchObject({ code: 'unproven' })
    writeFileSync(path, 'other')
    expect(await refuse({ require: ['none'] }, computed)).toMatchObject({ code: 'untrusted' })
  })

  it('adds to the proofs of earlier steps, where the digest says that the bytes are the same', async () => {
    const checksums = sums(`${sha256()}  ${file}\n`)
    const [once] = await prove({ checksums }, { ...record, proofs: [] })
    const standing = { ...record, proofs: [{ by: 'checksums', from: checksums }] }
    expect(once).toEqual(standing)
    expect(await prove({}, standing)).toEqual([standing])
    copyFileSync(fixture('prehashed.minisig'), `${path}.minisig`)
    const [both] = await prove({ minisign: key }, standing)
    expect(both?.proofs?.map(({ by }) => by)).toEqual(['checksums', 'minisign'])
  })

  it('does not believe the proofs a record brings along', async () => {
    const boast = { ...without('digest'), proofs: [{ by: 'digest' }, { by: 'minisign', key: keyId }] }
    expect(await refuse({}, boast)).toMatchObject({ code: 'unproven' })
    expect(await refuse({ require: ['minisign'] }, { ...record, proofs: boast.proofs })).toMatchObject({
      code: 'unproven',
    })
    expect(await prove({ require: ['none'] }, boast)).toMatchObject([{ proofs: [] }])
  })

  it('says what to do with a record whose bytes are not here, or cannot be read', async () => {
    expect(await refuse({}, without('path'))).toMatchObject({ code: 'unproven', exit: 77 })
    rmSync(path)
    expect(await refuse({})).toMatchObject({ code: 'cannot-read', exit: 69 })
    mkdirSync(path)
    expect(await refuse({})).toMatchObject({ code: 'cannot-read' })
    rmSync(path, { recursive: true })
    execFileSync('mkfifo', [path])
    expect(await refuse({})).toMatchObject({ code: 'cannot-read' })
  })

  it('passes failures on untouched and goes on with the records after one that is refused', async () => {
    const failure = { error: { step: 'fetch', code: 'unreachable', exit: 69, message: 'gone' } }
    const items = from([failure, { ...record, size: 1 }, record])
    const [first, second, third] = await Array.fromAsync(verify(items))
    expect(first).toBe(failure)
    expect(second).toHaveProperty('error.code', 'untrusted')
    expect(third).toHaveProperty('proofs')
  })

  it('stops when it is told to', async () => {
    await expect(prove({ signal: AbortSignal.abort() })).rejects.toThrow(
      expect.objectContaining({ name: 'AbortError' }),
    )
  })
})

describe('verify --checksums', () => {
  it('proves, and gives a record without a digest the one that was proven', async () => {
    const checksums = sums(`${sha256()}  dist/${file}\n`)
    expect(await prove({ checksums })).toEqual([
      { ...record, proofs: [{ by: 'digest' }, { by: 'checksums', from: checksums }] },
    ])
    expect(await prove({ checksums }, without('digest'))).toEqual([
      { ...record, proofs: [{ by: 'checksums', from: checksums }] },
    ])
  })

  it('takes SHA-512, and where both are given both must hold', async () => {
    expect(await prove({ checksums: sums(`SHA512 (${file}) = ${sha512()}\n`) })).toHaveLength(1)
    expect(await prove({ checksums: sums(`${sha512()} *${file}\n${sha256()} *${file}\n`) })).toHaveLength(1)
    const half = sums(`${sha512()} *${file}\n${'0'.repeat(64)} *${file}\n`)
    expect(await refuse({ checksums: half })).toMatchObject({ code: 'untrusted', exit: 77 })
    const other = sums(`${'0'.repeat(128)} *${file}\n${sha256()} *${file}\n`)
    expect(await refuse({ checksums: other })).toMatchObject({ code: 'untrusted', exit: 77 })
  })

  it.each([
    ['a wrong checksum', (): string => `${'0'.repeat(64)}  ${file}\n`],
    ['no line for the file', (): string => `${sha256()}  app-1.9.3-linux-amd64\n`],
    ['two answers', (): string => `${sha256()}  a/${file}\n${'0'.repeat(64)}  b/${file}\n`],
    ['no checksum at all', (): string => 'Not Found\n'],
  ])('refuses on %s, whatever is required', async (_, text) => {
    const checksums = sums(text())
    for (const require of [undefined, ['none'], ['digest']])
      expect(await refuse({ checksums, require })).toMatchObject({ code: 'untrusted', exit: 77 })
  })

  it('refuses when the checksum file is not there, and complains when it is too large to be one', async () => {
    expect(await refuse({ checksums: join(dir, 'none') })).toMatchObject({ code: 'untrusted', exit: 77 })
    truncateSync(sums(''), (16 << 20) + 1)
    expect(await refuse({ checksums: join(dir, 'SUMS') })).toMatchObject({ code: 'too-large', exit: 76 })
  })

  it('refuses an old package under the name of a new one', async () => {
    const checksums = sums(`${sha256()}  ${file}\n`)
    expect(await refuse({ checksums }, { ...record, version: '9.9.9' })).toMatchObject({ code: 'untrusted' })
  })

  it('reads the list again for a stream that does not end', async () => {
    const checksums = sums('')
    const at = new Date(0).toISOString()
    async function* stream(): AsyncGenerator<PackageRecord> {
      await Promise.resolve()
      sums(`${sha256()}  other\n`)
      yield { ...record, watched: { at } }
      sums(`${sha256()}  ${file}\n`)
      yield { ...record, watched: { at } }
    }
    const [first, second] = await Array.fromAsync(verify(stream(), { checksums }))
    expect(first).toHaveProperty('error.code', 'untrusted')
    expect(second).toHaveProperty('proofs')
  })
})

describe('verify --minisign', () => {
  const sign = (name: string): void => {
    copyFileSync(fixture(name), `${path}.minisig`)
  }

  it.each(['prehashed', 'legacy'])('proves by a %s signature beside the bytes', async (mode) => {
    sign(`${mode}.minisig`)
    const [proven] = await prove({ minisign: key })
    const comment = `timestamp:1795220563\tfile:${file}${mode === 'legacy' ? '' : '\thashed'}`
    expect(proven?.proofs).toEqual([{ by: 'digest' }, { by: 'minisign', key: keyId, comment }])
  })

  it('takes the key itself, and the signature from elsewhere', async () => {
    const [, line = ''] = readFileSync(key, 'utf8').split('\n')
    const signature = fixture('comment.minisig')
    const [proven] = await prove({ minisign: line, signature, require: ['minisign'] }, without('digest'))
    expect(proven?.proofs).toEqual([{ by: 'minisign', key: keyId, comment: 'freigegeben für Jörg ✓' }])
    expect(proven?.digest).toBe(record.digest)
  })

  it('finds the signature beside a file: URL', async () => {
    sign('prehashed.minisig')
    copyFileSync(path, join(dir, 'cached'))
    const elsewhere = { ...record, path: join(dir, 'cached'), url: `file://${path}` }
    expect(await prove({ minisign: key }, elsewhere)).toHaveProperty('0.proofs.1.by', 'minisign')
  })

  it('refuses without a signature, naming the places', async () => {
    const error = await refuse({ minisign: key, require: ['none'] })
    expect(error).toMatchObject({ code: 'untrusted', exit: 77 })
    expect(error.message).toContain(`${path}.minisig`)
  })

  it.each(['other.minisig', 'example.pub', file])('refuses %s as a signature', async (name) => {
    sign(name)
    expect(await refuse({ minisign: key })).toMatchObject({ code: 'untrusted', exit: 77 })
  })

  it.each(['prehashed.minisig', 'legacy.minisig'])('refuses other bytes under %s', async (name) => {
    sign(name)
    writeFileSync(path, 'the bytes of an example packagE\n')
    expect(await refuse({ minisign: key }, without('digest'))).toMatchObject({ code: 'untrusted' })
  })

  it('refuses an old package under the name of a new one, though it is truly signed', async () => {
    sign('older.minisig')
    const error = await refuse({ minisign: key })
    expect(error).toMatchObject({ code: 'untrusted', exit: 77 })
    expect(error.message).toContain('app-1.8.0-linux-amd64')
    sign('prehashed.minisig')
    expect(await refuse({ minisign: key }, { ...record, version: '9.9.9' })).toMatchObject({
      code: 'untrusted',
    })
  })

  it('refuses a file too large for a legacy signature without reading it', async () => {
    sign('legacy.minisig')
    truncateSync(path, maxWhole + 1)
    const error = await refuse({ minisign: key }, without('digest', 'size'))
    expect(error).toMatchObject({ code: 'untrusted', exit: 77 })
    expect(error.message).toContain('256 MiB')
  })

  it.each([
    ['a missing file', 'nowhere.pub', 'usage'],
    ['a URL', 'https://example.org/key.pub', 'usage'],
    ['a file that holds no key', fixture(file), 'config'],
  ])('complains of %s as the key before the first record', async (_, minisign, code) => {
    await expect(prove({ minisign })).rejects.toThrow(expect.objectContaining({ code }))
  })

  it('complains of a signature without a key', async () => {
    await expect(prove({ signature: 'x' })).rejects.toThrow(expect.objectContaining({ code: 'usage' }))
  })
})

describe('verify of plain files', () => {
  const run = (paths: string[], options: VerifyOptions) =>
    Array.fromAsync(verifyFiles(paths, { ...options, cwd: dir }))

  it('makes a record of a file that is named like a package', async () => {
    const checksums = sums(`${sha256()}  ${file}\n`)
    expect(await run([file], { checksums })).toEqual([
      { ...record, proofs: [{ by: 'checksums', from: checksums }] },
    ])
  })

  it('makes plain data of any other file', async () => {
    copyFileSync(path, join(dir, 'my app'))
    copyFileSync(fixture('prehashed.minisig'), join(dir, 'my app.minisig'))
    const { size, digest } = record
    expect(await run(['./my app'], { minisign: key })).toMatchObject([
      { file: 'my app', path: join(dir, 'my app'), size, digest, proofs: [{ by: 'minisign', key: keyId }] },
    ])
  })

  it('refuses what nothing proves and goes on with the next', async () => {
    const items = await run([file, 'missing', 'SUMS'], {
      checksums: sums(`${sha256()}  SUMS\n${sha256()}  missing\n`),
    })
    expect(items.map((item) => (item as Failure).error.code)).toEqual([
      'untrusted',
      'cannot-read',
      'untrusted',
    ])
    expect(await run([file], {})).toMatchObject([{ error: { code: 'unproven', exit: 77 } }])
    expect(await run([file], { require: ['none'] })).toMatchObject([{ digest: record.digest, proofs: [] }])
  })
})

describe.skipIf(!has('minisign'))('the real minisign', () => {
  const minisign = (...args: string[]): string =>
    execFileSync('minisign', args, { cwd: dir, encoding: 'utf8', stdio: 'pipe' })

  beforeEach(() => {
    for (const name of ['one', 'two']) minisign('-G', '-W', '-p', `${name}.pub`, '-s', `${name}.key`)
  })

  it.each([
    ['prehashed', []],
    ['legacy', ['-l']],
    ['with comments', ['-t', 'güt\tfile:x', '-c', 'untrusted']],
  ])('signs (%s) what we verify', async (_, flags) => {
    minisign('-S', ...flags, '-s', 'one.key', '-m', file)
    const [proven] = await prove({ minisign: join(dir, 'one.pub'), require: ['minisign'] })
    const printed = minisign('-V', '-Q', '-p', 'one.pub', '-m', file).replace(/\n$/, '')
    expect(proven?.proofs?.at(-1)).toMatchObject({ by: 'minisign', comment: printed })
  })

  it.each([
    ['prehashed', []],
    ['legacy', ['-l']],
  ])('agrees with us on what is refused (%s)', async (_, flags) => {
    minisign('-S', ...flags, '-s', 'one.key', '-m', file)
    const good = readFileSync(`${path}.minisig`, 'latin1')
    const bytes = readFileSync(path)
    const sins: [string, () => void][] = [
      [
        'tampered file',
        () => {
          writeFileSync(path, 'x')
        },
      ],
      [
        'tampered comment',
        () => {
          writeFileSync(`${path}.minisig`, good.replace('file:', 'File:'))
        },
      ],
      [
        'cut short',
        () => {
          writeFileSync(`${path}.minisig`, good.slice(0, -20))
        },
      ],
      [
        'one line less',
        () => {
          writeFileSync(`${path}.minisig`, good.split('\n').slice(0, 3).join('\n'))
        },
      ],
      [
        'another key',
        () => {
          minisign('-S', ...flags, '-s', 'two.key', '-m', file)
        },
      ],
      [
        'nothing there',
        () => {
          rmSync(`${path}.minisig`)
        },
      ],
    ]
    for (const [sin, commit] of sins) {
      writeFileSync(path, bytes)
      writeFileSync(`${path}.minisig`, good, 'latin1')
      commit()
      expect(() => minisign('-V', '-q', '-p', 'one.pub', '-m', file), sin).toThrow()
      expect(await refuse({ minisign: join(dir, 'one.pub') }, without('digest', 'size')), sin).toMatchObject({
        exit: 77,
      })
    }
  })
})
