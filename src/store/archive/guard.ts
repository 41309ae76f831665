import { GupperError } from '../../errors.ts'

/** How much an archive may hold. */
export interface ArchiveLimits {
  /** Number of entries. */
  entries: number
  /** Bytes of all files, unpacked. */
  bytes: number
  /** Unpacked bytes for each packed one … */
  ratio: number
  /** … looked at once this many bytes have come out, since a small file of zeros is no bomb. */
  ratioFrom: number
  /** Directories in each other. */
  depth: number
  /** Bytes of a whole path, and of the target of a link. */
  path: number
  /** Bytes of one name in a path. */
  name: number
  /** Bytes of an extended header. */
  header: number
  /** Base-2 logarithm of the memory in bytes that a zstd stream may ask for. */
  windowLog: number
}

/** Limits that no honest program of today reaches. */
export const defaultLimits: ArchiveLimits = {
  entries: 200_000,
  bytes: 32 * 2 ** 30,
  ratio: 250,
  ratioFrom: 64 * 2 ** 20,
  depth: 64,
  path: 2048,
  name: 255,
  header: 2 ** 20,
  windowLog: 27,
}

/** One entry as an archive names it; nothing of it has been checked. */
export interface ArchiveEntry {
  path: string
  kind: 'file' | 'directory' | 'symlink' | 'hardlink' | 'device' | 'pipe' | 'socket' | 'unknown'
  /** Permission bits with setuid, setgid and sticky. */
  mode: number
  /** Bytes of the body. */
  size: number
  /** What a symbolic link points to, or the path in the archive that a hard link repeats. */
  target?: string
  mtime: Date | undefined
  /** Where its body begins in the archive, unpacked, in bytes; tar only. */
  offset?: number
  /** The bytes, once, before the next entry is asked for. */
  body(): AsyncIterable<Buffer>
}

type Node = { kind: 'file' | 'directory' | 'implied' } | { kind: 'symlink' | 'hardlink'; target: string }

/**
 * Decides what of an archive may be placed: `admit` is asked for each entry before anything of it is written, `finish`
 * after the last one and before any symbolic link is made. Knows the whole tree, not the disk.
 */
export class ArchiveGuard {
  readonly #file: string
  readonly #limits: ArchiveLimits
  readonly #nodes = new Map<string, Node>()
  entries = 0
  bytes = 0

  /** @param file the archive, for the messages */
  constructor(file: string, limits: ArchiveLimits) {
    this.#file = file
    this.#limits = limits
  }

  /**
   * Checks an entry against the rules and against all before it.
   * @returns its path as it may be placed: names joined by "/", "" for the root itself
   * @throws GupperError `bad-archive` (65)
   */
  admit(entry: ArchiveEntry): string {
    const { entries, bytes } = this.#limits
    if (++this.entries > entries) throw this.#bad(`has more than ${entries} entries`)
    const refuse = (why: string): GupperError => this.#bad(`${show(entry.path)} ${why}`)
    if (!Number.isSafeInteger(entry.size) || entry.size < 0) throw refuse('has an impossible size')
    this.bytes += entry.size
    if (this.bytes > bytes) throw this.#bad(`unpacks to more than ${bytes} bytes`)

    const path = this.#clean(entry.path, refuse)
    if (path === '' && entry.kind !== 'directory') throw refuse('has no name')
    if ((entry.mode & 0o7000) !== 0) throw refuse('has a setuid, setgid or sticky bit')
    const node = this.#node(entry, refuse)
    if (node.kind !== 'file' && entry.size > 0) throw refuse(`is a ${node.kind} with content`)
    this.#place(path, node, refuse)
    return path
  }

  /**
   * Ends the checks: there is a file, and no symbolic link leaves the tree, whatever other links it goes through.
   * @returns the symbolic links: path and target
   * @throws GupperError `bad-archive` (65)
   */
  finish(): [path: string, target: string][] {
    if (this.files().length === 0) throw this.#bad('holds no file')
    const links: [string, string][] = []
    for (const [path, node] of this.#nodes) {
      if (node.kind !== 'symlink') continue
      this.#walk(path)
      links.push([path, node.target])
    }
    return links
  }

  /** The paths of all files. */
  files(): string[] {
    return [...this.#nodes]
      .filter(([, { kind }]) => kind === 'file' || kind === 'hardlink')
      .map(([path]) => path)
  }

  /** The file whose bytes are at a path, through links of both kinds; undefined when there is none. */
  fileAt(path: string): string | undefined {
    const found = this.#walk(path)
    const node = this.#nodes.get(found)
    if (node?.kind === 'hardlink') return node.target
    return node?.kind === 'file' ? found : undefined
  }

  #clean(path: string, refuse: (why: string) => GupperError): string {
    if (path.includes('\0')) throw refuse('has a NUL byte in its name')
    if (path.includes('\uFFFD')) throw refuse('has a name that is not UTF-8')
    if (path.includes('\\')) throw refuse('has a backslash in its name')
    if (path.startsWith('/')) throw refuse('is an absolute name')
    if (/^[A-Za-z]:/.test(path)) throw refuse('is the name of a drive')
    const names = path.split('/').filter((name) => name !== '' && name !== '.')
    if (names.includes('..')) throw refuse('leaves the tree with ".."')
    if (names.length > this.#limits.depth) throw refuse(`lies deeper than ${this.#limits.depth} directories`)
    const clean = names.join('/')
    if (
      Buffer.byteLength(clean) > this.#limits.path ||
      names.some((name) => Buffer.byteLength(name) > this.#limits.name)
    )
      throw refuse('has too long a name')
    return clean
  }

  #node(entry: ArchiveEntry, refuse: (why: string) => GupperError): Node {
    const { kind, target = '' } = entry
    switch (kind) {
      case 'file':
      case 'directory':
        return { kind }
      case 'symlink':
        if (target === '' || Buffer.byteLength(target) > this.#limits.path)
          throw refuse('is a link with an impossible target')
        if (/[\0\uFFFD\\]|^[A-Za-z]:/.test(target))
          throw refuse(`is a link with the strange target ${show(target)}`)
        if (target.startsWith('/')) throw refuse(`is a link to the absolute path ${show(target)}`)
        return { kind, target }
      case 'hardlink': {
        const path = this.#clean(target, (why) => refuse(`is a link to ${show(target)}, which ${why}`))
        const node = this.#nodes.get(path)
        if (node?.kind === 'hardlink') return { kind, target: node.target }
        if (node?.kind !== 'file')
          throw refuse(`is a hard link to ${show(target)}, which is no file that came before it`)
        return { kind, target: path }
      }
      default:
        throw refuse(kind === 'unknown' ? 'is of an unknown kind' : `is a ${kind}`)
    }
  }

  #place(path: string, node: Node, refuse: (why: string) => GupperError): void {
    for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) {
      const parent = path.slice(0, slash)
      const above = this.#nodes.get(parent)
      if (above === undefined) this.#nodes.set(parent, { kind: 'implied' })
      else if (above.kind === 'symlink') throw refuse(`goes through the link ${show(parent)}`)
      else if (above.kind !== 'directory' && above.kind !== 'implied')
        throw refuse(`lies in ${show(parent)}, which is a file`)
    }
    const before = this.#nodes.get(path)
    if (before !== undefined && !(before.kind === 'implied' && node.kind === 'directory'))
      throw refuse('is there twice')
    this.#nodes.set(path, node)
  }

  /** Walks a path as the kernel would, from the root of the tree; where it ends, there or not. */
  #walk(start: string): string {
    const left = start.split('/')
    const at: string[] = []
    let hops = 0
    for (let name = left.shift(); name !== undefined; name = left.shift()) {
      if (name === '' || name === '.') continue
      if (name === '..') {
        if (at.pop() === undefined) throw this.#bad(`${show(start)} is a link that leaves the tree`)
        continue
      }
      at.push(name)
      const node = this.#nodes.get(at.join('/'))
      if (node?.kind !== 'symlink') continue
      // As many as Linux follows.
      if (++hops > 40) throw this.#bad(`${show(start)} is a link that goes in circles`)
      at.pop()
      left.unshift(...node.target.split('/'))
    }
    return at.join('/')
  }

  #bad(why: string): GupperError {
    return new GupperError('bad-archive', `${this.#file}: ${why}`)
  }
}

function show(path: string): string {
  return JSON.stringify(path.length > 200 ? `${path.slice(0, 200)}…` : path)
}
