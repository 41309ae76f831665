import type { ReadStream } from 'node:tty'
import { GupperError } from '../errors.ts'
import { openTerminal } from './tty.ts'

/**
 * Asks for a passphrase on the terminal, which shows nothing of it; standard input stays free for records.
 * @param twice ask again, and take only what was typed alike both times
 * @param signal gives up
 * @throws GupperError `usage` (64) without a terminal, or when nothing or two different things were typed
 */
export async function askPassphrase(prompt: string, twice: boolean, signal?: AbortSignal): Promise<string> {
  const { input: terminal, say } = await openTerminal(
    'to ask for the passphrase on',
    'give it with --passphrase-file FILE or the variable GUPPER_PASSPHRASE',
  )
  const lines = readTyped(terminal, signal)
  const ask = async (text: string): Promise<string> => {
    say(`${text}: `)
    const line = await lines.next()
    say('\r\n')
    return line.done === true ? '' : line.value
  }
  try {
    terminal.setRawMode(true)
    const first = await ask(prompt)
    if (first === '')
      throw new GupperError('usage', 'the passphrase is empty', { hint: 'leave out --passphrase' })
    if (twice && (await ask(`${prompt}, once more`)) !== first)
      throw new GupperError('usage', 'the two passphrases differ', { hint: 'run the same command again' })
    return first
  } finally {
    terminal.setRawMode(false)
    terminal.destroy()
  }
}

const [interrupt, end, erase, eraseLine] = ['\u0003', '\u0004', '\u007f', '\u0015']

/** Gives the lines that are typed, also those that were typed ahead. */
async function* readTyped(
  terminal: ReadStream,
  signal: AbortSignal | undefined,
): AsyncGenerator<string, undefined> {
  let typed: string[] = []
  const stop = (): void => void terminal.destroy(signal?.reason as Error)
  signal?.addEventListener('abort', stop, { once: true })
  terminal.setEncoding('utf8')
  try {
    for await (const text of terminal as AsyncIterable<string>)
      for (const letter of text) {
        // The terminal is raw: it sends no signal by itself.
        if (letter === interrupt) throw new GupperError('usage', 'no passphrase was given')
        else if (letter === '\r' || letter === '\n' || letter === end) {
          const line = typed.join('')
          typed = []
          yield line
        } else if (letter === erase || letter === '\b') typed.pop()
        else if (letter === eraseLine) typed = []
        else typed.push(letter)
      }
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}
