import { closeSync, openSync, writeSync } from 'node:fs'
import type { ReadStream } from 'node:tty'
import { GupperError } from '../errors.ts'

/** The terminal that this process belongs to, whatever its standard streams are. */
export interface Terminal {
  input: ReadStream
  say: (text: string) => void
}

/**
 * Opens the terminal; standard input stays free for records. To be destroyed in the end.
 * @param purpose what for, for the complaint: "to ask on"
 * @param hint what to do without one
 * @throws GupperError `usage` (64) where there is none
 */
export async function openTerminal(purpose: string, hint: string): Promise<Terminal> {
  const { ReadStream } = await import('node:tty')
  let fd: number | undefined
  try {
    const opened = (fd = openSync('/dev/tty', 'r+'))
    return { input: new ReadStream(opened), say: (text) => void writeSync(opened, text) }
  } catch (cause) {
    if (fd !== undefined) closeSync(fd)
    throw new GupperError('usage', `there is no terminal ${purpose}`, { cause, hint })
  }
}
