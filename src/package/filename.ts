import { parseArch, parseOs } from './platform.ts'
import { parseVersion } from './version.ts'

/** What a package's file name tells: name-version-os-arch[.exe|.tar.gz|.tar.zst|.tar|.zip]. */
export interface FileName {
  name: string
  version: string
  os: string
  arch: string
  /** How the bytes are packed: "raw" is one executable file. */
  format: Format
}

export type Format = 'raw' | 'tar' | 'tar.gz' | 'tar.zst' | 'zip'

const endings: readonly [string, Format][] = [
  ['.tar.gz', 'tar.gz'],
  ['.tgz', 'tar.gz'],
  ['.tar.zst', 'tar.zst'],
  ['.tar', 'tar'],
  ['.zip', 'zip'],
  ['.exe', 'raw'],
]

/** How the bytes of a file are packed, by its ending. */
export function formatOf(file: string): Format {
  return endings.find(([ending]) => file.toLowerCase().endsWith(ending))?.[1] ?? 'raw'
}

/**
 * Reads a package's file name. The name may hold dashes and so may the version (1.0.0-beta.1), so the platform is
 * taken from the right. The version starts at the first dash after which everything reads as one; where a name ends in
 * a number, the fullest core decides: app-2-1.0.0 is app-2 in 1.0.0, not app in 2.0.0-1.0.0.
 * @returns undefined when the file is not named like a package
 */
export function parseFileName(file: string): FileName | undefined {
  if (!isSafeName(file)) return undefined
  const ending = endings.find(([ending]) => file.toLowerCase().endsWith(ending))
  const stem = ending ? file.slice(0, -ending[0].length) : file
  // The one word for a processor with a dash in it.
  const parts = /^(.+)-([^-]+)-([^-]+)$/.exec(stem.replace(/x86-64$/i, 'x86_64'))
  if (!parts) return undefined
  const [, front = '', osWord = '', archWord = ''] = parts
  const os = parseOs(osWord)
  const arch = parseArch(archWord)
  if (os === undefined || arch === undefined) return undefined
  const split = splitFront(front)
  return split && { ...split, os, arch, format: ending?.[1] ?? 'raw' }
}

function splitFront(front: string): Pick<FileName, 'name' | 'version'> | undefined {
  let best: { name: string; version: string; numbers: number } | undefined
  for (let dash = front.indexOf('-'); dash > 0; dash = front.indexOf('-', dash + 1)) {
    const text = front.slice(dash + 1)
    const version = parseVersion(text)
    const numbers = text.split(/[-+]/, 1)[0]?.split('.').length ?? 0
    if (version !== undefined && numbers > (best?.numbers ?? 0))
      best = { name: front.slice(0, dash), version, numbers }
  }
  return best && { name: best.name, version: best.version }
}

/** The file name of a package, the inverse of {@link parseFileName}; a raw program for Windows ends in .exe. */
export function formatFileName(parts: FileName): string {
  const ending = parts.format === 'raw' ? (parts.os === 'windows' ? '.exe' : '') : `.${parts.format}`
  return `${parts.name}-${parts.version}-${parts.os}-${parts.arch}${ending}`
}

/** Whether a text can be one part of a path: no slash, no control character, no leading dot, at most 255 bytes. */
export function isSafeName(name: string): boolean {
  return name !== '' && !/[/\\\u0000-\u001f\u007f]|^\.|^\s|\s$/.test(name) && Buffer.byteLength(name) <= 255
}
