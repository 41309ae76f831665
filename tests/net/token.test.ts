import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { authorizationFor, parseToken, readToken } from '../../src/net/token.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gupper-token-'))
})
afterEach(() => rm(dir, { recursive: true }))

test('a file may hold one token, and comments', async () => {
  const path = join(dir, 'token')
  await writeFile(path, '# for the repository\n\n  abc.def-123  \n')
  const token = await readToken(path)
  expect(authorizationFor(token, 'http://repo:8080', 'http://repo:8080/path')).toBe('Bearer abc.def-123')
  expect(authorizationFor(token, 'http://repo:8081', 'http://repo:8080/path')).toBeUndefined()
  expect(authorizationFor(token, 'https://repo:8080', 'http://repo:8080')).toBeUndefined()
})

test('a file may hold a token for each origin; an own token goes before the bare one', () => {
  const token = parseToken('bare\nhttp://repo:80/any/path one\r\nhttps://repo two\n', 'file')
  expect(authorizationFor(token, 'http://repo', 'http://repo')).toBe('Bearer one')
  expect(authorizationFor(token, 'https://repo', 'http://repo')).toBe('Bearer two')
  expect(authorizationFor(token, 'http://other', 'http://other')).toBe('Bearer bare')
})

test.each([
  ['two bare tokens', 'one\ntwo'],
  ['three words', 'http://a b c'],
  ['something else than an origin', 'repo token'],
  ['characters that no header may have', 'tök'],
  ['nothing', '# nothing\n'],
])('%s: 78, and the token is not told', (_, text) => {
  const parse = (): unknown => parseToken(text, '/etc/token')
  expect(parse).toThrow('/etc/token')
  expect(parse).toThrow(expect.objectContaining({ code: 'config', exit: 78 }))
  expect(parse).not.toThrow(/two|tök/)
})

test('a file that is not there: 69', async () => {
  await expect(readToken(join(dir, 'none'))).rejects.toMatchObject({ code: 'cannot-read', exit: 69 })
})
