import { openTerminal } from './tty.ts'

/**
 * Asks a question on the terminal; standard input stays free.
 * @returns whether the answer was yes, in full or its first letter
 * @throws GupperError `usage` (64) without a terminal
 */
export async function askYes(question: string, signal?: AbortSignal): Promise<boolean> {
  const { input, say } = await openTerminal('to ask on', 'to agree without being asked: --yes')
  try {
    say(`${question} [yes/no] `)
    return /^y(es)?$/i.test((await readLine(input, signal)).trim())
  } finally {
    input.destroy()
  }
}

function readLine(terminal: NodeJS.ReadableStream, signal: AbortSignal | undefined): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let typed = ''
  const stop = (): void => reject(signal?.reason as Error)
  signal?.addEventListener('abort', stop, { once: true })
  terminal.setEncoding('utf8')
  terminal.on('error', reject)
  terminal.on('end', () => resolve(typed))
  terminal.on('data', (text: string | Buffer) => {
    typed += String(text)
    if (typed.includes('\n')) resolve(typed)
  })
  return promise.finally(() => signal?.removeEventListener('abort', stop))
}
