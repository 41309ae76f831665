import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { digestOf } from '../../src/package/digest.ts'
import { from } from '../../src/package/flow.ts'
import type { Item, PackageRecord } from '../../src/package/record.ts'
import { createClient } from '../../src/net/client.ts'
import { verify, type VerifyOptions } from '../../src/trust/verify.ts'

const file = 'app-1.9.2-linux-amd64'
const fixture = (name: string): string => new URL(`fixtures/${name}`, import.meta.url).pathname
const minisign = fixture('example.pub')

let dir: string
let server: Server
let base: string
let record: PackageRecord
let asked: IncomingMessage[]
let files: Record<string, string | Buffer>
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'gupper-verify-'))
  const path = join(dir, 'cached')
  copyFileSync(fixture(file), path)
  const digest = digestOf(readFileSync(path))
  asked = []
  files = {}
  server = createServer((request: IncomingMessage, response: ServerResponse) => {
    asked.push(request)
    const body = files[request.url ?? '']
    response.writeHead(body === undefined ? 404 : 200).end(body)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const names = { name: 'app', version: '1.9.2', os: 'linux', arch: 'amd64', file }
  record = { schema: 1, ...names, digest, path, url: `${base}/download/${file}`, source: base }
})
afterEach(async () => {
  rmSync(dir, { recursive: true })
  server.closeAllConnections()
  await new Promise((closed) => server.close(closed))
})

const run = (options: VerifyOptions, ...records: Item[]): Promise<Item[]> =>
  Array.fromAsync(verify(from(records.length > 0 ? records : [record]), options))
const sums = (): string => `${String(record.digest).slice(7)}  ${file}\n`

describe('verify with evidence from a server', () => {
  it('gets the signature from beside the package', async () => {
    files[`/download/${file}.minisig`] = readFileSync(fixture('prehashed.minisig'))
    expect(await run({ minisign })).toHaveProperty('0.proofs.1.by', 'minisign')
  })

  it('puts .minisig behind the path of the address, not behind its query', async () => {
    files[`/download/${file}.minisig?a=b`] = readFileSync(fixture('prehashed.minisig'))
    expect(await run({ minisign }, { ...record, url: `${String(record.url)}?a=b` })).toHaveProperty(
      '0.proofs.1.by',
      'minisign',
    )
  })

  it('refuses when the server has no signature', async () => {
    const [item] = await run({ minisign })
    expect(item).toMatchObject({ error: { code: 'untrusted', exit: 77 } })
    expect(asked.map(({ url }) => url)).toEqual([`/download/${file}.minisig`])
  })

  it('does not ask the server when the signature is beside the bytes, even a wrong one', async () => {
    copyFileSync(fixture('other.minisig'), `${String(record.path)}.minisig`)
    expect(await run({ minisign })).toHaveProperty('0.error.code', 'untrusted')
    expect(asked).toEqual([])
  })

  it('gets a checksum file once for all records of a run, and says where it is from without its secrets', async () => {
    files['/checksums.txt?token=secret'] = sums()
    const checksums = `${base}/checksums.txt?token=secret`
    const [first, second] = await run({ checksums }, record, record)
    const proofs = [{ by: 'digest' }, { by: 'checksums', from: `${base}/checksums.txt` }]
    expect(first).toEqual({ ...record, size: 32, proofs })
    expect(second).toEqual(first)
    expect(asked).toHaveLength(1)
  })

  it('refuses when the checksum file is not on the server, or says something else', async () => {
    expect(await run({ checksums: `${base}/none` })).toHaveProperty('0.error.exit', 77)
    files['/other'] = sums().replace(/^./, (digit) => (digit === '0' ? '1' : '0'))
    expect(await run({ checksums: `${base}/other` })).toHaveProperty('0.error.exit', 77)
  })

  it('passes nothing on when the server is gone', async () => {
    const client = createClient({ limits: { tries: 1 } })
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
    expect(await run({ checksums: `${base}/checksums.txt`, client })).toMatchObject([
      { error: { code: 'unreachable', exit: 69 } },
    ])
    client.close()
  })

  it('does not read more than a signature can have', async () => {
    files[`/download/${file}.minisig`] = Buffer.alloc(1 << 20, 'x')
    expect(await run({ minisign })).toHaveProperty('0.error.code', 'too-large')
  })

  it('gives a token to the origin of the source only', async () => {
    const tokenFile = join(dir, 'token')
    writeFileSync(tokenFile, 'secret\n')
    await run({ minisign, tokenFile })
    await run({ minisign, tokenFile }, { ...record, source: 'http://127.0.0.1:1' })
    const homeless = { ...record }
    delete homeless.source
    await run({ minisign, tokenFile }, homeless)
    await run({ checksums: `${base}/sums`, tokenFile })
    expect(asked.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer secret',
      undefined,
      undefined,
      'Bearer secret',
    ])
  })
})
