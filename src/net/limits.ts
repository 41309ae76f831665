/** How long and how much the client bears. Times in milliseconds, sizes in bytes. */
export interface Limits {
  /** From the request to the end of the answer's headers. */
  firstByte: number
  /** While nothing at all arrives. */
  idle: number
  /** What must arrive in every second that is spent waiting for the other side, on average over `rateWindow`. */
  rate: number
  rateWindow: number
  /** One small answer, with its retries. */
  answer: number
  /** One download, with its retries. */
  download: number
  /** How often something is tried before it is given up; a download that came forward starts to count again. */
  tries: number
  /** The first pause between two tries; it doubles. */
  backoff: number
  /** The longest pause, also when the other side asks for a longer one (Retry-After). */
  maxBackoff: number
  /** How often the other side may send us elsewhere. */
  redirects: number
  /** The largest small answer: a list, a checksum file, a signature. */
  maxAnswer: number
  /** The largest package whose size nobody announced. */
  maxDownload: number
}

const second = 1000
const hour = 3600 * second

/** A link of a few KB/s lives, a server that drips a byte a second does not. */
export const defaultLimits: Readonly<Limits> = {
  firstByte: 30 * second,
  idle: 30 * second,
  rate: 256,
  rateWindow: 30 * second,
  answer: 300 * second,
  download: 24 * hour,
  tries: 5,
  backoff: 200,
  maxBackoff: 20 * second,
  redirects: 5,
  maxAnswer: 32 * 2 ** 20,
  maxDownload: 64 * 2 ** 30,
}
