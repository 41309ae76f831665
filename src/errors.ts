/**
 * The one table of everything that can go wrong: code → exit status → what to do about it.
 * Exit statuses follow sysexits.h (64–78); 1 is "the answer is no".
 */
const table = {
  no: { exit: 1, hint: '' },
  usage: { exit: 64, hint: 'see --help of the command' },
  'wrong-platform': { exit: 64, hint: 'choose with: gupper select --os OS --arch ARCH' },
  ambiguous: {
    exit: 64,
    hint: 'choose one with: gupper select --name NAME, or install into a directory: --to DIR/',
  },
  downgrade: { exit: 64, hint: 'to go back use: gupper rollback PATH; to allow it: --allow-downgrade' },
  'not-installed': { exit: 64, hint: 'install it first: gupper install --to PATH' },
  'bad-record': { exit: 65, hint: 'one JSON record a line; `gupper schema` prints their form' },
  'bad-package': { exit: 65, hint: 'have its publisher make it again, e.g. with: gupper pack' },
  'bad-archive': { exit: 65, hint: 'have its publisher make it again, e.g. with: gupper pack' },
  'wrong-size': {
    exit: 65,
    hint: 'the source served other bytes than it announced; try again or use another source',
  },
  'wrong-digest': {
    exit: 65,
    hint: 'the source served other bytes than it announced; try again or use another source',
  },
  conflict: { exit: 65, hint: 'what is published never changes: publish it under a new version' },
  'check-failed': {
    exit: 65,
    hint: 'the old version stays; this build is held back until asked for with --again',
  },
  rejected: { exit: 65, hint: 'this build was taken back before; to install it all the same: --again' },
  damaged: { exit: 65, hint: 'install it again from its source' },
  unreachable: { exit: 69, hint: 'check the address and the network, then run the same command again' },
  'not-found': { exit: 69, hint: 'check the address; `gupper list --all SOURCE` shows what is there' },
  denied: { exit: 69, hint: 'give the token of this source with --token-file FILE' },
  'cannot-read': { exit: 69, hint: 'check that it exists and that you may read it' },
  bug: { exit: 70, hint: 'please report this, with the output of the same command and --verbose' },
  'cannot-write': { exit: 73, hint: 'check the permissions of the directory' },
  'no-space': {
    exit: 73,
    hint: 'free some space, then run the same command again; what was there is untouched',
  },
  locked: { exit: 75, hint: 'another gupper is at work here; run the same command again' },
  protocol: {
    exit: 76,
    hint: 'the other side does not speak as it should; is this the address of a package server?',
  },
  redirect: { exit: 76, hint: 'use the final address of the source' },
  'too-large': {
    exit: 76,
    hint: 'the answer is larger than can be right; is this the address of a package server?',
  },
  untrusted: { exit: 77, hint: 'do not run it; ask its publisher' },
  expired: {
    exit: 77,
    hint: 'nobody has vouched for it lately: try another mirror, check the clock, or ask its publisher',
  },
  'rolled-back': {
    exit: 77,
    hint: 'an older state than was seen before is served: try another mirror, or ask its publisher',
  },
  unproven: {
    exit: 77,
    hint: 'prove it: gupper verify --trust ROOT.json, --minisign KEY or --checksums FILE; or accept it unproven: --require none',
  },
  'not-ready': { exit: 65, hint: 'the old version goes on; gupper logs NAME shows what the new one said' },
  reverted: {
    exit: 65,
    hint: 'the old version runs again; this build is held back until asked for with install --again',
  },
  stuck: { exit: 69, hint: 'neither version runs: look at gupper logs NAME, then gupper restart NAME' },
  'not-running': { exit: 69, hint: 'start it with: gupper run --to PATH' },
  superseded: { exit: 1, hint: 'the newer one is made live in its place' },
  frozen: { exit: 1, hint: 'let it follow its source again with: gupper unfreeze NAME' },
  config: { exit: 78, hint: 'correct the configuration, then run the same command again' },
} as const satisfies Record<string, { exit: number; hint: string }>

/** Every kind of failure gupper knows. */
export type ErrorCode = keyof typeof table

/** One failure that a person or a script can act on: what failed, on what, what to do. */
export class GupperError extends Error {
  override readonly name = 'GupperError'
  readonly code: ErrorCode
  readonly exit: number
  readonly hint: string

  /**
   * @param code which row of the table
   * @param message what failed, on what; no full stop, no stack
   * @param options `hint` replaces the table's; `cause` is kept for --verbose
   */
  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.exit = table[code].exit
    this.hint = options.hint ?? table[code].hint
  }
}

/** Whether a word is one of the table's codes. */
export function isErrorCode(word: string): word is ErrorCode {
  return Object.hasOwn(table, word)
}

/** Whether anything thrown carries an errno code such as ENOSPC. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  // Node's rm says EISDIR as ERR_FS_EISDIR.
  const code = typeof error.code === 'string' ? error.code.replace(/^ERR_FS_(?=E)/, '') : ''
  return /^E[A-Z0-9]+$/.test(code) ? code : undefined
}

const plain: Record<string, string> = {
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the disk quota is used up',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EROFS: 'the file system is read-only',
  ENOENT: 'no such file or directory',
  ENOTDIR: 'a part of the path is not a directory',
  EISDIR: 'it is a directory',
  EEXIST: 'it exists already',
  ENAMETOOLONG: 'the name is too long',
  EMFILE: 'too many open files',
  EFBIG: 'the file is too large for this file system',
  ETXTBSY: 'the program is running and cannot be written to',
  ELOOP: 'too many symbolic links',
  EXDEV: 'it is on another file system',
}

const remedies: Record<string, string> = {
  EISDIR: 'move the directory away',
  ENOTDIR: 'move the file away that stands where a directory should be',
  EEXIST: 'move it away',
  EMFILE: 'raise the limit of open files: ulimit -n',
  EROFS: 'choose a place on another file system, or mount this one for writing',
}

/**
 * Turns a system error into one for a person; anything else is passed on as it is.
 * @param error what was thrown
 * @param doing what was being done, on what: "cannot write /opt/app"
 * @param reading true when the failing side is one that is read (69), else it is one that is written (73)
 */
export function explain(error: unknown, doing: string, reading = false): unknown {
  const errno = errnoOf(error)
  if (error instanceof GupperError || errno === undefined) return error
  const code =
    errno === 'ENOSPC' || errno === 'EDQUOT' ? 'no-space' : reading ? 'cannot-read' : 'cannot-write'
  const remedy = reading && errno !== 'EMFILE' ? undefined : remedies[errno]
  return new GupperError(code, `${doing}: ${plain[errno] ?? errno}`, {
    cause: error,
    ...(remedy !== undefined && { hint: remedy }),
  })
}

/** Runs `work`; a system error it throws comes out explained (see {@link explain}). */
export async function explaining<T>(doing: string, work: () => Promise<T>, reading = false): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw explain(error, doing, reading)
  }
}

/** Exit statuses with their meaning, in order, for `gupper help exit-codes` and the man page. */
export const exitStatuses: readonly { exit: string; meaning: string; codes: readonly ErrorCode[] }[] = [
  { exit: '0', meaning: 'done, or nothing to do' },
  { exit: '1', meaning: 'the answer is no' },
  { exit: '64', meaning: 'usage: the command, its flags or its input do not fit together' },
  { exit: '65', meaning: 'bad record or package' },
  { exit: '69', meaning: 'source unreachable' },
  { exit: '70', meaning: 'a bug in gupper' },
  { exit: '73', meaning: 'cannot write' },
  { exit: '75', meaning: 'locked; try again' },
  { exit: '76', meaning: 'the other side broke the protocol' },
  { exit: '77', meaning: 'not trusted' },
  { exit: '78', meaning: 'bad configuration' },
  { exit: '128+n', meaning: 'ended by signal n' },
].map((row) => ({
  ...row,
  codes: (Object.keys(table) as ErrorCode[]).filter((code) => String(table[code].exit) === row.exit),
}))
