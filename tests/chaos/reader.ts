import { spawn, type ChildProcess } from 'node:child_process'
import { endWithUs, type World } from './world.ts'

/** A process that runs the program again and again, and writes down what is not a whole version's answer. */
export interface Reader {
  /**
   * Ends it; says how often the program ran.
   * @throws when it was once not whole
   */
  stop(): Promise<number>
}

const loop = `
reads=0
trap 'echo "reads $reads"; exit 0' TERM
while :; do
  said=$("$0" 2>&1)
  case "$? $said" in
    "0 app version 1."[0-9]*".0") reads=$((reads + 1)) ;;
    *) echo "wrong: $said" ;;
  esac
done`

/** Starts such a process; a program must stand there already. */
export function startReader(world: World): Reader {
  // In the time that nobody else needs.
  const child: ChildProcess = spawn('nice', ['-n', '19', '/bin/sh', '-c', loop, world.program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  endWithUs(child)
  let said = ''
  child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  return {
    async stop() {
      child.kill('SIGTERM')
      await ended
      const wrong = said.split('\n').filter((line) => line.startsWith('wrong'))
      if (wrong.length > 0) throw new Error(`the program was not always whole:\n${wrong.join('\n')}`)
      return Number(/^reads (\d+)$/m.exec(said)?.[1] ?? 0)
    },
  }
}
