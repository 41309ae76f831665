// The words of Go's GOOS and GOARCH, and what others call the same thing.
const osWords: Record<string, readonly string[]> = {
  linux: [],
  darwin: ['macos', 'mac', 'osx', 'apple'],
  windows: ['win32', 'win', 'win64', 'cygwin'],
  freebsd: [],
  openbsd: [],
  netbsd: [],
  dragonfly: [],
  solaris: ['sunos'],
  illumos: [],
  android: [],
  ios: [],
  aix: [],
  plan9: [],
  js: [],
  wasip1: ['wasi'],
  any: ['all', 'noarch'],
}
const archWords: Record<string, readonly string[]> = {
  amd64: ['x64', 'x86_64', 'x86-64'],
  386: ['ia32', 'x86', 'i386', 'i686'],
  arm64: ['aarch64', 'armv8'],
  arm: ['armv6', 'armv6l', 'armv7', 'armv7l', 'armhf'],
  ppc64: [],
  ppc64le: ['powerpc64le'],
  mips: [],
  mipsle: ['mipsel'],
  mips64: [],
  mips64le: ['mips64el'],
  riscv64: ['riscv64gc'],
  s390x: [],
  loong64: ['loongarch64'],
  wasm: ['wasm32'],
  any: ['all', 'noarch', 'universal'],
}

function reader(words: Record<string, readonly string[]>): (word: string) => string | undefined {
  const known = new Map<string, string>()
  for (const [go, others] of Object.entries(words)) for (const word of [go, ...others]) known.set(word, go)
  return (word) => known.get(word.toLowerCase())
}

/** Reads the name of an operating system in anyone's words as Go's (GOOS) or "any"; undefined when unknown. */
export const parseOs = reader(osWords)

/** Reads the name of a processor in anyone's words as Go's (GOARCH) or "any"; undefined when unknown. */
export const parseArch = reader(archWords)

/** This machine, in Go's words. */
export const host: { readonly os: string; readonly arch: string } = {
  os: parseOs(process.platform) ?? process.platform,
  arch: parseArch(process.arch) ?? process.arch,
}

/**
 * Whether a package runs on a platform; "any" fits everywhere.
 * @param record in anyone's words
 * @param os in Go's word
 * @param arch in Go's word
 */
export function fits(record: { os: string; arch: string }, os: string, arch: string): boolean {
  return isOne(record.os, os, parseOs) && isOne(record.arch, arch, parseArch)
}

function isOne(word: string, wanted: string, read: (word: string) => string | undefined): boolean {
  if (word === wanted || word === 'any') return true
  const known = read(word)
  return known !== undefined && (known === wanted || known === 'any')
}

/** How general a package is: 0 for one platform, 1 for any system or any processor, 2 for any of both. */
export function generality(record: { os: string; arch: string }): number {
  return Number(parseOs(record.os) === 'any') + Number(parseArch(record.arch) === 'any')
}
