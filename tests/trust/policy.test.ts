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

  it('reads so many of several', () => {
    expect(parseRequire('2of:tuf,minisign,checksums')).toEqual({
      atLeast: 2,
      of: ['tuf', 'minisign', 'checksums'],
    })
    expect(parseRequire(' 1OF: Digest , tuf')).toEqual({ atLeast: 1, of: ['digest', 'tuf'] })
    expect(parseRequire('2of:tuf,digest')).toEqual({ atLeast: 2, of: ['tuf', 'digest'] })
  })

  it.each([
    ['0of:tuf,minisign', 'asks for 0 of 2 proofs'],
    ['3of:tuf,minisign', 'asks for 3 of 2 proofs'],
    ['1000000000of:tuf', 'is not a proof'],
    ['-1of:tuf', 'is not a proof'],
    ['1.5of:tuf,minisign', 'is not a proof'],
    ['2of:tuf,tuf', 'names a proof twice'],
    ['2of:tuf,tuf,minisign', 'names a proof twice'],
    ['1of:tuf,sigstore', '"sigstore" is not a proof'],
    ['1of:', '"" is not a proof'],
    ['of:tuf', 'is not a proof'],
    ['1of:none', '"none" cannot be required'],
    ['1of:tuf,none', '"none" cannot be required'],
    ['tuf,2of:minisign,checksums', '"2of:minisign" is not a proof'],
    ['2of:2of:tuf,minisign', 'is not a proof'],
  ])('refuses %j with 64: it %s', (text, message) => {
    const refusal = expect.objectContaining({
      code: 'usage',
      exit: 64,
      message: expect.stringContaining(message) as string,
      hint: expect.stringContaining('2of:tuf,minisign,checksums') as string,
    }) as Error
    expect(() => parseRequire(text)).toThrow(refusal)
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

  it('knows TUF as a proof, and what makes it', () => {
    expect(() => {
      demand(record('tuf'), ['tuf'])
    }).not.toThrow()
    expect(() => {
      demand(record('digest'), ['tuf'])
    }).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('verify --trust ROOT.json') as string }),
    )
  })
})

describe('demand of some of several', () => {
  const two = parseRequire('2of:tuf,minisign,checksums')

  it.each([
    ['tuf', 'minisign'],
    ['checksums', 'tuf', 'digest'],
    ['minisign', 'checksums'],
    ['tuf', 'minisign', 'checksums'],
  ])('is content with enough kinds: %s %s %s', (...by) => {
    expect(() => {
      demand(record(...by), two)
    }).not.toThrow()
  })

  it.each([
    [[], '2 more of tuf or minisign or checksums'],
    [['digest', 'digest', 'sigstore'], '2 more of tuf or minisign or checksums'],
    [['tuf'], '1 more of minisign or checksums'],
    // Proofs of one kind are one, whoever made them.
    [['minisign', 'minisign'], '1 more of tuf or checksums'],
    [['tuf', 'tuf', 'digest'], '1 more of minisign or checksums'],
  ])('refuses too few, and says what would do: %j', (by, message) => {
    expect(() => {
      demand(record(...by), two)
    }).toThrow(
      expect.objectContaining({
        code: 'unproven',
        exit: 77,
        message: expect.stringContaining(message) as string,
      }),
    )
  })

  it('names what is missing where all of them are needed', () => {
    expect(() => {
      demand(record('tuf'), parseRequire('2of:tuf,minisign'))
    }).toThrow('app-1.0.0-linux-amd64 is not proven by minisign')
  })

  it('asks for one at least, whatever number a program gives', () => {
    for (const atLeast of [0, -1, NaN])
      expect(() => {
        demand(record('digest'), { atLeast, of: ['tuf', 'minisign'] })
      }, String(atLeast)).toThrow(expect.objectContaining({ code: 'unproven' }))
  })
})
