import { describe, expect, it } from 'vitest'
import {
  formatFileName,
  formatOf,
  isSafeName,
  parseFileName,
  type Format,
} from '../../src/package/filename.ts'
import { createRandom } from './random.ts'

const read = (file: string): string | undefined => {
  const parts = parseFileName(file)
  return parts && [parts.name, parts.version, parts.os, parts.arch, parts.format].join(' ')
}

describe('the file name of a package', () => {
  it.each([
    ['app-1.11.0-linux-amd64', 'app 1.11.0 linux amd64 raw'],
    ['app-1.9-darwin-arm64', 'app 1.9.0 darwin arm64 raw'],
    ['app-v1.9-linux-x86_64', 'app 1.9.0 linux amd64 raw'],
    ['app-1.9.2-windows-amd64.exe', 'app 1.9.2 windows amd64 raw'],
    ['app-1.9.2-win32-x64.EXE', 'app 1.9.2 windows amd64 raw'],
    ['app-2-linux-386.zip', 'app 2.0.0 linux 386 zip'],
    ['app-1.0.0-macos-aarch64.tar.gz', 'app 1.0.0 darwin arm64 tar.gz'],
    ['app-1.0.0-Darwin-ARM64.tgz', 'app 1.0.0 darwin arm64 tar.gz'],
    ['app-1.0.0-linux-x86-64.tar.zst', 'app 1.0.0 linux amd64 tar.zst'],
    ['app-1.0.0-any-any.tar', 'app 1.0.0 any any tar'],
    ['my-app-1.0.0-rc.1-linux-amd64.tar.gz', 'my-app 1.0.0-rc.1 linux amd64 tar.gz'],
    ['app-1.0.0-beta-2-linux-amd64', 'app 1.0.0-beta-2 linux amd64 raw'],
    ['app-1.0.0-linux-2-linux-amd64', 'app 1.0.0-linux-2 linux amd64 raw'],
    ['app-1.0.0-2.0.0-linux-amd64', 'app 1.0.0-2.0.0 linux amd64 raw'],
    ['app-1.9-rc.1-linux-amd64', 'app 1.9.0-rc.1 linux amd64 raw'],
    ['app-1.0.0+build.5-linux-amd64', 'app 1.0.0+build.5 linux amd64 raw'],
    ['my app ü-1.0.0-linux-amd64', 'my app ü 1.0.0 linux amd64 raw'],
    ['app"$(id)-1.0.0-linux-amd64', 'app"$(id) 1.0.0 linux amd64 raw'],
  ])('is read: %s', (file, parts) => {
    expect(read(file)).toBe(parts)
  })

  it.each([
    ['my-app-2-1.0.0-rc.1-linux-amd64.tar.gz', 'my-app-2 1.0.0-rc.1 linux amd64 tar.gz'],
    ['python-3-1.2.0-linux-amd64', 'python-3 1.2.0 linux amd64 raw'],
    ['lib-1.2-3.4.5-linux-amd64', 'lib-1.2 3.4.5 linux amd64 raw'],
    ['app-2-1.9-linux-amd64', 'app-2 1.9.0 linux amd64 raw'],
    ['app-1.9-2-linux-amd64', 'app 1.9.0-2 linux amd64 raw'],
    ['app-2-beta-linux-amd64', 'app 2.0.0-beta linux amd64 raw'],
    ['app-7-1.0.0-8.0.0-linux-amd64', 'app-7 1.0.0-8.0.0 linux amd64 raw'],
  ])('is read with the fullest version where a name ends in a number: %s', (file, parts) => {
    expect(read(file)).toBe(parts)
  })

  it.each([
    ...['', '-', '---', 'app', 'app-1.0.0', 'app-1.0.0-linux', 'app-linux-amd64', '-1.0.0-linux-amd64'],
    ...['app-1.0.0-linux-amd65', 'app-1.0.0-lunix-amd64', 'app-latest-linux-amd64', 'app-1.0.0--linux-amd64'],
    ...['app-1.0.0-linux-amd64.sha256', 'app-1.0.0-linux-amd64.minisig', 'app-1.0.0-linux-amd64.tar.gz.part'],
    ...[
      '../app-1.0.0-linux-amd64',
      'a/b-1.0.0-linux-amd64',
      'a\\b-1.0.0-linux-amd64',
      '.app-1.0.0-linux-amd64',
    ],
    ...[
      'app\n-1.0.0-linux-amd64',
      'app\0-1.0.0-linux-amd64',
      ' app-1.0.0-linux-amd64',
      'app-1.0.0-linux-amd64 ',
    ],
    ...[`${'a'.repeat(256)}-1.0.0-linux-amd64`, `${'ü'.repeat(120)}-1.0.0-linux-amd64`],
    ...['app-1.2.3.4-linux-amd64', '.tar.gz', '.exe', '1.0.0-linux-amd64', 'app-1.0.0-linux-amd64.exe.exe'],
  ])('is not %j', (file) => {
    expect(parseFileName(file)).toBeUndefined()
  })

  it('is not what is meant to take long', () => {
    expect(parseFileName(`${'1-'.repeat(120)}linux`)).toBeUndefined()
    expect(parseFileName('-'.repeat(255))).toBeUndefined()
  })

  it('is written so that it reads as what it was written from, whatever the name and the version', () => {
    const random = createRandom()
    const words = [
      'a',
      'app',
      'my',
      '2',
      '10',
      'v2',
      'x86',
      'linux',
      'rc.1',
      'b_c',
      'ü',
      'A B',
      '1.2',
      'beta',
      '64',
    ]
    const tags = ['1', 'rc.1', 'beta', 'alpha-2', '0.x.9', '-', 'linux', 'amd64', '2.0.0', '1.2']
    const formats: Format[] = ['raw', 'tar', 'tar.gz', 'tar.zst', 'zip']
    for (let round = 0; round < 5000; round++) {
      const some = <T>(list: readonly T[], least: number): T[] =>
        Array.from({ length: least + random.below(4) }, () => random.pick(list))
      const core = [random.below(20), random.below(20), random.below(3000)].join('.')
      const tag = random.below(2) ? `-${some(tags, 1).join('-')}` : ''
      const build = random.below(4) ? '' : `+${some(tags, 1).join('.')}`
      const parts = {
        name: some(words, 1).join('-'),
        version: `${core}${tag}${build}`,
        os: random.pick(['linux', 'darwin', 'windows', 'freebsd', 'any', 'wasip1']),
        arch: random.pick(['amd64', 'arm64', '386', 'arm', 'any', 'wasm']),
        format: random.pick(formats),
      }
      const file = formatFileName(parts)
      expect(parseFileName(file), `${file} (GUPPER_TEST_SEED=${random.seed})`).toEqual(parts)
    }
  })

  it('ends in .exe for a program for Windows only', () => {
    const parts = { name: 'app', version: '1.0.0', arch: 'amd64', os: 'windows' }
    expect(formatFileName({ ...parts, format: 'raw' })).toBe('app-1.0.0-windows-amd64.exe')
    expect(formatFileName({ ...parts, format: 'zip' })).toBe('app-1.0.0-windows-amd64.zip')
    expect(formatFileName({ ...parts, os: 'linux', format: 'raw' })).toBe('app-1.0.0-linux-amd64')
  })
})

describe('the ending of a file', () => {
  it.each([
    ['app', 'raw'],
    ['app.exe', 'raw'],
    ['app.bin', 'raw'],
    ['app.tar', 'tar'],
    ['app.TAR.GZ', 'tar.gz'],
    ['app.tgz', 'tar.gz'],
    ['app.tar.zst', 'tar.zst'],
    ['app.zip', 'zip'],
    ['zip', 'raw'],
  ])('tells how it is packed: %s is %s', (file, format) => {
    expect(formatOf(file)).toBe(format)
  })
})

describe('a safe name', () => {
  it.each(['app', 'a b', 'ü', '漢字', "it's", '$(id)', '-rf', 'a..b', '~', '*', 'a'.repeat(255)])(
    'is %j',
    (name) => {
      expect(isSafeName(name)).toBe(true)
    },
  )

  it.each([
    '',
    '.',
    '..',
    '.a',
    'a/b',
    '/',
    'a\\b',
    'a\0',
    'a\n',
    '\ta',
    'a\u007f',
    ' a',
    'a ',
    '\u00a0a',
    'ü'.repeat(128),
  ])('is not %j', (name) => {
    expect(isSafeName(name)).toBe(false)
  })
})
