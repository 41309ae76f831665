/** Which of a program's streams a line was written to; `gupper` is what the supervisor says itself. */
export type LogStream = 'stdout' | 'stderr' | 'gupper'

/** A line of a program's log. */
export interface LogLine {
  /** RFC 3339, UTC, with milliseconds. */
  time: string
  stream: LogStream
  /** Without its line feed. */
  line: string
}

/** How large the files of a log may grow. */
export interface LogLimits {
  /** Bytes of one file; default 10 MiB. */
  size: number
  /** How many files; default 5. */
  keep: number
}
