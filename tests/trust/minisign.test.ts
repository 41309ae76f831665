import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { checkSignature, isKey, parseKey, parseSignature } from '../../src/trust/minisign.ts'

// Made once with the real minisign 0.11; see verify.test.ts for the tool itself.
const read = (name: string): Buffer => readFileSync(new URL(`fixtures/${name}`, import.meta.url))
const bytes = read('app-1.9.2-linux-amd64')
const hash = createHash('blake2b512').update(bytes).digest()
const key = parseKey(read('example.pub').toString(), 'example.pub')
const untrusted = expect.objectContaining({ code: 'untrusted', exit: 77 }) as Error

const signature = (name: string, change: (text: string) => string = (text) => text) =>
  parseSignature(Buffer.from(change(read(name).toString())), name)
const check =
  (name: string, message: Buffer, change?: (text: string) => string): (() => void) =>
  () => {
    checkSignature(signature(name, change), key, message, 'app')
  }

describe('a minisign key', () => {
  it('is read from its file, with either line ending, and from its base64 line, with the id minisign prints', () => {
    const text = read('example.pub').toString()
    const [, line = ''] = text.split('\n')
    for (const form of [text, text.replaceAll('\n', '\r\n'), line, `${line}\n`, text.trim()])
      expect(parseKey(form, 'key').id).toBe('A2DAF9EA95989D82')
  })

  it('is told from a path', () => {
    const [comment = '', line = ''] = read('example.pub').toString().split('\n')
    expect([line, `${comment}\n${line}`].map(isKey)).toEqual([true, true])
    expect(['example.pub', './example.pub', '', line.slice(1)].map(isKey)).toEqual([
      false,
      false,
      false,
      false,
    ])
  })

  it.each([
    ['nothing', ''],
    ['a word', 'key'],
    ['a key cut short', read('example.pub').toString().split('\n')[1]?.slice(0, 50)],
    ['foreign characters in it', read('example.pub').toString().split('\n')[1]?.replace('a', '!')],
    ['a signature', read('prehashed.minisig').toString()],
    ['two keys', `${read('example.pub').toString()}${read('other.pub').toString()}`],
    ['another algorithm', Buffer.concat([Buffer.from('Sc'), Buffer.alloc(40)]).toString('base64')],
  ])('is refused as configuration when it is %s', (_, text = '') => {
    expect(() => parseKey(text, 'here')).toThrow(expect.objectContaining({ code: 'config', exit: 78 }))
  })
})

describe('a minisign signature', () => {
  it('holds: prehashed, legacy, and with a comment that is not ASCII', () => {
    expect(check('prehashed.minisig', hash)).not.toThrow()
    expect(check('legacy.minisig', bytes)).not.toThrow()
    expect(check('comment.minisig', hash)).not.toThrow()
    expect(signature('prehashed.minisig')).toMatchObject({ prehashed: true, id: 'A2DAF9EA95989D82' })
    expect(signature('legacy.minisig').prehashed).toBe(false)
    expect(signature('comment.minisig').comment).toBe('freigegeben für Jörg ✓')
  })

  it('holds with line endings of Windows and with another untrusted comment, which nobody signed', () => {
    expect(check('prehashed.minisig', hash, (text) => text.replaceAll('\n', '\r\n'))).not.toThrow()
    expect(
      check('prehashed.minisig', hash, (text) => text.replace(/^.*/, 'untrusted comment: whatever')),
    ).not.toThrow()
  })

  it('is refused over other bytes', () => {
    const other = Buffer.from(bytes)
    other[0] = 0
    expect(check('legacy.minisig', other)).toThrow(untrusted)
    expect(check('prehashed.minisig', createHash('blake2b512').update(other).digest())).toThrow(
      'the signature of app by key A2DAF9EA95989D82 is wrong',
    )
  })

  it('is refused when the other mode is claimed for it', () => {
    const swap = (text: string) => text.replace('\nRUS', '\nRWS')
    expect(check('prehashed.minisig', bytes, swap)).toThrow(untrusted)
  })

  it('is refused when its trusted comment was changed or taken from another signature', () => {
    const changed = (text: string) => text.replace('linux', 'Linux')
    expect(check('prehashed.minisig', hash, changed)).toThrow('trusted comment')
    const space = (text: string) => text.replace('hashed\n', 'hashed \n')
    expect(check('prehashed.minisig', hash, space)).toThrow('trusted comment')
    const [, , ...others] = read('other.minisig').toString().split('\n')
    const swapped = (text: string) => [...text.split('\n').slice(0, 2), ...others].join('\n')
    expect(check('prehashed.minisig', hash, swapped)).toThrow('trusted comment')
  })

  it('is refused by another key, naming both', () => {
    expect(check('other.minisig', hash)).toThrow(
      'app was signed with key A97F9331D4E350F6, not with A2DAF9EA95989D82',
    )
  })

  it('is refused when another key is named in it than made it', () => {
    const [, line = ''] = read('other.minisig').toString().split('\n')
    const forged = Buffer.from(line, 'base64')
    forged.writeBigUInt64LE(0xa2daf9ea95989d82n, 2)
    expect(check('other.minisig', hash, (text) => text.replace(line, forged.toString('base64')))).toThrow(
      'the signature of app by key A2DAF9EA95989D82 is wrong',
    )
  })

  it('is refused at whatever byte it is cut off', () => {
    const whole = read('prehashed.minisig').toString().trimEnd()
    for (let length = 0; length < whole.length; length++)
      expect(() => parseSignature(Buffer.from(whole.slice(0, length)), 'cut')).toThrow(untrusted)
  })

  it('is refused with more behind it, with foreign characters, and with an unknown algorithm', () => {
    for (const change of [
      (text: string) => `${text}more\n`,
      (text: string) => `${text}${text}`,
      (text: string) => text.replace('\nRUS', '\nRUS!'),
      (text: string) => text.replace('\nRUS', '\nRVS'),
      (text: string) => text.replace('trusted comment: timestamp', 'comment: timestamp'),
    ])
      expect(() => signature('prehashed.minisig', change)).toThrow(untrusted)
  })
})
