import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseChecksums, sumsOf } from '../../src/trust/checksums.ts'
import { has } from './tools.ts'

const a = 'a'.repeat(64)
const b = 'B'.repeat(64)
const long = 'c'.repeat(128)
const read = (text: string, file: string) => sumsOf(parseChecksums(text, 'SUMS'), file, 'SUMS')
const untrusted = expect.objectContaining({ code: 'untrusted', exit: 77 }) as Error

describe('a checksum file', () => {
  it.each([
    ['text mode', `${a}  app\n`],
    ['binary mode', `${a} *app\n`],
    ['a tab between', `${a}\tapp\n`],
    ['no mark', `${a} app\n`],
    ['./ before the name', `${a}  ./app\n`],
    ['a directory before the name', `${a} *dist/linux/app\n`],
    ['CRLF', `${b}  other\r\n${a}  app\r\n`],
    ['a byte order mark', `\uFEFF${a}  app`],
    ['BSD tags', `SHA256 (app) = ${a}\n`],
    ['OpenSSL', `SHA2-256(dist/app)= ${a}\n`],
    ['foreign lines', `# made by hand\n-----BEGIN PGP SIGNED MESSAGE-----\n\n${a}  app\n`],
    ['weaker algorithms beside it', `MD5 (app) = ${'0'.repeat(32)}\n${'0'.repeat(40)}  app\n${a}  app\n`],
    ['the same line twice', `${a}  x/app\n${a.toUpperCase()}  y/app\n`],
  ])('is read with %s', (_, text) => {
    expect(read(text, 'app')).toEqual({ sha256: a })
  })

  it('is read with both algorithms for one file', () => {
    expect(read(`SHA512 (app) = ${long}\n${a}  app\n`, 'app')).toEqual({ sha256: a, sha512: long })
  })

  it('undoes the escapes of names with backslashes and newlines, and only there', () => {
    expect(read(`\\${a}  one\\ntwo\\\\n\n`, 'one\ntwo\\n')).toEqual({ sha256: a })
    expect(read(`\\SHA256 (one\\ntwo) = ${a}\n`, 'one\ntwo')).toEqual({ sha256: a })
    expect(read(`${a}  one\\ntwo\n`, 'one\\ntwo')).toEqual({ sha256: a })
    expect(() => read(`\\${a}  one\\two\n${a}  other`, 'one\\two')).toThrow(untrusted)
  })

  it('keeps names with spaces, parentheses and non-ASCII letters', () => {
    expect(read(`${a}  my app (1) ü\n`, 'my app (1) ü')).toEqual({ sha256: a })
    expect(read(`SHA256 (my app (1) ü) = ${a}\n`, 'my app (1) ü')).toEqual({ sha256: a })
  })

  it.each(['ap', 'app.exe', 'App', 'linux/app', '__proto__', ''])('knows names exactly: not %j', (name) => {
    expect(() => read(`${a}  linux/app\n`, name)).toThrow(untrusted)
  })

  it('is refused where it says two things of one name', () => {
    const text = `${a}  linux/app\n${b}  darwin/app\n${a}  linux/app\n${a}  fine\n`
    expect(() => read(text, 'app')).toThrow('SUMS has two different checksums of app')
    expect(read(text, 'fine')).toEqual({ sha256: a })
  })

  it.each([
    ['nothing', ''],
    ['a web page', '<html>404</html>'],
    ['short digits', `${a.slice(1)}  app`],
    ['long digits', `${a}a  app`],
    ['no name', `${a}\n${a}  \n`],
    ['a directory', `${a}  dist/\n`],
    ['a wrong length for the tag', `SHA512 (app) = ${a}`],
  ])('is refused when it holds %s', (_, text) => {
    expect(() => read(text, 'app')).toThrow(untrusted)
  })
})

describe('the real sha256sum', () => {
  let dir: string
  const names = [
    'plain',
    'with space',
    '*star',
    'back\\slash',
    'new\nline',
    'ünïcode',
    ' leading',
    '(paren) = x',
  ]
  const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'gupper-sums-'))
    for (const name of names) writeFileSync(join(dir, name), '')
  })
  afterAll(() => {
    rmSync(dir, { recursive: true })
  })

  it.skipIf(!has('sha256sum')).each([
    ['text', []],
    ['binary', ['-b']],
    ['BSD', ['--tag']],
  ])('is understood in %s form for every name it can write', (_, flags) => {
    const text = execFileSync('sha256sum', [...flags, '--', ...names], { cwd: dir, encoding: 'utf8' })
    const sums = parseChecksums(text, 'SUMS')
    expect([...sums.keys()].sort()).toEqual([...names].sort())
    for (const name of names) expect(sumsOf(sums, name, 'SUMS')).toEqual({ sha256: empty })
  })
})
