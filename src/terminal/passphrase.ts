import { closeSync, openSync, writeSync } from 'node:fs'
import type { ReadStream } from 'node:tty'
import { GupperError } from '../errors.ts'

/**
 * Asks for a passphrase on the terminal, which shows nothing of it; standard input stays free for records.
 * @param twice ask again, and take only what was typed alike both times
 * @param signal gives up
 * @throws GupperError `usage` (64) without a terminal, or when nothing or two different things were typed
 */
export async function askPassphrase(prompt: string, twice: boolean, signal?: AbortSignal): Promise<string> {
  const first = await ask(`${prompt}: `, signal)
  if (first === '')
    throw new GupperError('usage', 'the passphrase is empty', { hint: 'leave out --passphrase' })
  if (twice && (await ask(`${prompt}, once more: `, signal)) !== first)
    throw new GupperError('usage', 'the two passphrases differ', { hint: 'run the same command again' })
  return first
}

async function ask(prompt: string, signal: AbortSignal | undefined): Promise<string> {
  const tty = await import('node:tty')
  let fd: number
  try {
    fd = openSync('/dev/tty', 'r+')
  } catch (cause) {
    throw new GupperError('usage', 'there is no terminal to ask for the passphrase on', {
      cause,
      hint: 'give it with --passphrase-file FILE or the variable GUPPER_PASSPHRASE',
    })
  }
  const terminal = new tty.ReadStream(fd)
  try {
    terminal.setRawMode(true)
    writeSync(fd, prompt)
    return await readTyped(terminal, signal)
  } finally {
    terminal.setRawMode(false)
    terminal.destroy()
    const out = openSync('/dev/tty', 'w')
    writeSync(out, '\n')
    closeSync(out)
  }
}

const [interrupt, end, erase, eraseLine] = ['\u0003', '\u0004', '\u007f', '\u0015']

function readTyped(terminal: ReadStream, signal: AbortSignal | undefined): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let typed: string[] = []
  const stop = (): void => reject(signal?.reason as Error)
  signal?.addEventListener('abort', stop, { once: true })
  terminal.setEncoding('utf8')
  terminal.on('error', reject)
  terminal.on('end', () => reject(new GupperError('usage', 'the terminal was closed')))
  terminal.on('data', (text: string | Buffer) => {
    for (const letter of String(text)) {
      if (letter === '\r' || letter === '\n' || letter === end) resolve(typed.join(''))
      // The terminal is raw: it sends no signal by itself.
      else if (letter === interrupt) reject(new GupperError('usage', 'no passphrase was given'))
      else if (letter === erase || letter === '\b') typed.pop()
      else if (letter === eraseLine) typed = []
      else typed.push(letter)
    }
  })
  return promise.finally(() => signal?.removeEventListener('abort', stop))
}
