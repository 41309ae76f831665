import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { digestOf, finishHash, hashFile, parseDigest, startHash } from '../../src/package/digest.ts'

// FIPS 180-2, appendix B.1, and the hash of nothing.
const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

describe('a digest', () => {
  it('is SHA-256, of text as of bytes, at once as in parts', () => {
    expect(digestOf('abc')).toBe(`sha256:${abc}`)
    expect(digestOf(new Uint8Array([97, 98, 99]))).toBe(`sha256:${abc}`)
    expect(digestOf('')).toBe(`sha256:${empty}`)
    expect(finishHash(startHash().update('a').update('bc'))).toBe(`sha256:${abc}`)
  })

  it('is read as its digits', () => {
    expect(parseDigest(`sha256:${abc}`)).toBe(abc)
  })

  it.each([
    ...['', abc, `sha256:${abc.toUpperCase()}`, `SHA256:${abc}`, `sha256:${abc}0`, `sha256:${abc.slice(1)}`],
    ...[`sha512:${abc}`, `sha256:${abc}\n`, ` sha256:${abc}`, `sha256:../${abc.slice(3)}`, `sha256-${abc}`],
  ])('is not %j', (text) => {
    expect(parseDigest(text)).toBeUndefined()
  })
})

describe('the digest of a file', () => {
  let dir: string
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'gupper-digest-'))
  })
  afterAll(() => {
    rmSync(dir, { recursive: true })
  })

  it.each([0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_500_000])(
    'holds for %i bytes, with the size',
    async (size) => {
      const bytes = Buffer.alloc(size, 'gupper')
      const path = join(dir, `file-${size}`)
      writeFileSync(path, bytes)
      const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
      expect(await hashFile(path)).toEqual({ digest, size })
    },
  )

  it('is refused by the system where there is no file', async () => {
    await expect(hashFile(join(dir, 'none'))).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(hashFile(dir)).rejects.toMatchObject({ code: 'EISDIR' })
  })
})
