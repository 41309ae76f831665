/** How far a download is: bytes so far and, when known, in all. */
export interface Progress {
  file: string
  received: number
  total: number | undefined
  done: boolean
}

/** Where the steps tell people what happens; never a place for data. */
export interface Observer {
  error: (message: string, fields?: Record<string, unknown>) => void
  warn: (message: string, fields?: Record<string, unknown>) => void
  info: (message: string, fields?: Record<string, unknown>) => void
  debug: (message: string, fields?: Record<string, unknown>) => void
  progress: (progress: Progress) => void
}

const nothing = (): void => undefined

/** Says nothing to nobody: the default of the library. */
export const silent: Observer = {
  error: nothing,
  warn: nothing,
  info: nothing,
  debug: nothing,
  progress: nothing,
}
