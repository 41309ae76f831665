import { describe, expect, it } from 'vitest'
import { fits, host, parseArch, parseOs } from '../../src/package/platform.ts'

describe('a platform', () => {
  it.each([
    ['linux', 'linux'],
    ['Linux', 'linux'],
    ['macOS', 'darwin'],
    ['darwin', 'darwin'],
    ['win32', 'windows'],
    ['win', 'windows'],
    ['sunos', 'solaris'],
    ['any', 'any'],
    ['noarch', 'any'],
    ['beos', undefined],
    ['', undefined],
    ['__proto__', undefined],
    ['constructor', undefined],
    ['amd64', undefined],
  ])('has an operating system: %j is %s', (word, os) => {
    expect(parseOs(word)).toBe(os)
  })

  it.each([
    ['x64', 'amd64'],
    ['x86_64', 'amd64'],
    ['X86-64', 'amd64'],
    ['ia32', '386'],
    ['386', '386'],
    ['aarch64', 'arm64'],
    ['armv7l', 'arm'],
    ['universal', 'any'],
    ['pdp11', undefined],
    ['toString', undefined],
  ])('has a processor: %j is %s', (word, arch) => {
    expect(parseArch(word)).toBe(arch)
  })

  it('is, for this machine, in the words of Go', () => {
    expect(parseOs(host.os)).toBe(host.os)
    expect(parseArch(host.arch)).toBe(host.arch)
    expect(parseOs(process.platform)).toBe(host.os)
  })

  it('fits itself, and "any" fits every one, part by part', () => {
    expect(fits({ os: 'linux', arch: 'amd64' }, 'linux', 'amd64')).toBe(true)
    expect(fits({ os: 'any', arch: 'amd64' }, 'linux', 'amd64')).toBe(true)
    expect(fits({ os: 'linux', arch: 'any' }, 'linux', 'amd64')).toBe(true)
    expect(fits({ os: 'any', arch: 'any' }, 'plan9', 'mips')).toBe(true)
    expect(fits({ os: 'linux', arch: 'amd64' }, 'linux', 'arm64')).toBe(false)
    expect(fits({ os: 'any', arch: 'arm64' }, 'linux', 'amd64')).toBe(false)
    expect(fits({ os: 'linux', arch: 'amd64' }, 'any', 'any')).toBe(false)
  })

  it('fits in anyone’s words: a record that somebody wrote by hand is for this platform too', () => {
    expect(fits({ os: 'macos', arch: 'aarch64' }, 'darwin', 'arm64')).toBe(true)
    expect(fits({ os: 'Linux', arch: 'x64' }, 'linux', 'amd64')).toBe(true)
    expect(fits({ os: 'noarch', arch: 'universal' }, 'linux', 'amd64')).toBe(true)
    expect(fits({ os: 'haiku', arch: 'x64' }, 'linux', 'amd64')).toBe(false)
  })
})
