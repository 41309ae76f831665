import { describe, expect, it } from 'vitest'
import { demand, parseRequire } from '../../src/trust/policy.ts'
import type { PackageRecord } from '../../src/package/record.ts'

function record(...by: string[]): PackageRecord {
  return {
    schema: 1,
    name: 'app',
    version: '1.0.0',
    os: 'linux',
    arch: 'amd64',
    file: 'app-1.0.0-linux-amd64',
    proofs: by.map((by) => ({ by })),
  }
}

describe('parseRequire', () => {
  it('reads a comma list, with spaces and capitals, each word once', () => {
    expect(parseRequire('minisign')).toEqual(['minisign'])
    expect(parseRequire('Digest, checksums,digest')).toEqual(['digest', 'checksums'])
    expect(parseRequire('none')).toEqual(['none'])
  })

  it.each(['', 'minisgin', 'digest,', 'none,digest', 'digest checksums'])('refuses %j with 64', (text) => {
    expect(() => parseRequire(text)).toThrow(expect.objectContaining({ code: 'usage', exit: 64 }))
  })
})

describe('demand', () => {
  it('is content with any one proof when nothing is required', () => {
    for (const [by, require] of [
      ['digest', undefined],
      ['minisign', undefined],
      ['checksums', []],
    ] as const)
      expect(() => {
        demand(record(by), require)
      }).not.toThrow()
  })

  it.each([[undefined], [[]], [['digest']]])(
    'refuses a record without proofs when %j is required',
    (require) => {
      expect(() => {
        demand(record(), require)
      }).toThrow(expect.objectContaining({ code: 'unproven', exit: 77 }))
      const bare = record()
      delete bare.proofs
      expect(() => {
        demand(bare, require)
      }).toThrow(expect.objectContaining({ code: 'unproven' }))
    },
  )

  it('asks for nothing when none is required', () => {
    expect(() => {
      demand(record(), ['none'])
    }).not.toThrow()
  })

  it('asks for all that is required and names what is missing', () => {
    expect(() => {
      demand(record('digest', 'minisign'), ['minisign', 'digest'])
    }).not.toThrow()
    expect(() => {
      demand(record('digest'), ['digest', 'checksums', 'minisign'])
    }).toThrow('app-1.0.0-linux-amd64 is not proven by checksums and minisign')
  })

  it('takes the stricter reading when none stands beside a proof', () => {
    expect(() => {
      demand(record(), ['none', 'minisign'])
    }).toThrow(expect.objectContaining({ code: 'unproven' }))
  })
})
