import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { GupperError } from '../errors.ts'

// Both print each message and a line feed, and end with their standard input, so with whoever started them.
const perl = `
my $s; socket($s, PF_UNIX, SOCK_DGRAM, 0) && bind($s, sockaddr_un($ARGV[0])) or die "$!\\n";
$| = 1; print "listening\\n";
my $in = ''; vec($in, fileno STDIN, 1) = 1; vec($in, fileno $s, 1) = 1;
while (select(my $out = $in, undef, undef, undef) >= 0) {
  if (vec($out, fileno $s, 1)) { defined recv($s, my $message, 65536, 0) or last; print "$message\\n" }
  elsif (vec($out, fileno STDIN, 1)) { sysread(STDIN, my $rest, 1) or last }
}`
const python = `
import select, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1])
out = sys.stdout.buffer; out.write(b'listening\\n'); out.flush()
while True:
    ready = select.select([s, sys.stdin], [], [])[0]
    if s in ready: out.write(s.recv(65536) + b'\\n'); out.flush()
    elif not sys.stdin.buffer.read1(1): break`

/** A program that can receive datagrams at a Unix socket: Node cannot. */
export interface Tool {
  name: string
  args(path: string): string[]
}

/** What can receive, the best first. */
export const tools: readonly Tool[] = [
  { name: 'perl', args: (path) => ['-MSocket', '-e', `umask 077;${perl}`, path] },
  { name: 'python3', args: (path) => ['-c', `import os; os.umask(0o077)${python}`, path] },
]

/** One that listens. */
export interface Receiver {
  close(): Promise<void>
}

const mostPending = 64 << 10 // characters

/**
 * Receives datagrams at a Unix socket, of mode 0600.
 * @param path where; not there yet
 * @param onLine takes each line of each message
 * @param choice which tools may be used
 * @returns once it listens
 * @throws GupperError `config` (78) when none of the tools is there, or none can
 */
export async function receive(
  path: string,
  onLine: (line: string) => void,
  choice: readonly Tool[] = tools,
): Promise<Receiver> {
  const reasons: string[] = []
  for (const tool of choice) {
    const found = await start(tool, path, onLine)
    if (typeof found !== 'string') return found
    reasons.push(`${tool.name}: ${found}`)
  }
  throw new GupperError('config', `nothing can receive what notify waits for (${reasons.join('; ')})`, {
    hint: 'install perl or python3, or use another check, such as fd',
  })
}

async function start(tool: Tool, path: string, onLine: (line: string) => void): Promise<Receiver | string> {
  const child = spawn(tool.name, tool.args(path), { stdio: ['pipe', 'pipe', 'pipe'] })
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'ENOENT' ? 'not in PATH' : error.message),
    )
    child.once('close', (code, signal) =>
      resolve(complaint.trim() || `ended with ${code ?? signal ?? 'nothing'}`),
    )
  })
  let complaint = ''
  const quiet = (stream: Readable | Writable): void => void stream.on('error', () => undefined)
  quiet(child.stdin)
  quiet(child.stdout)
  quiet(child.stderr)
  const listening = new Promise<true>((resolve) => {
    let begun = false
    const begin = (): void => resolve((begun = true))
    const take = lines((line) => {
      if (begun) onLine(line)
      else if (line === 'listening') begin()
    })
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      complaint = (complaint + chunk).slice(-1000)
    })
    child.stdout.setEncoding('utf8').on('data', take)
  })
  const first = await Promise.race([listening, ended])
  if (first !== true) return first
  return {
    async close() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL')
        await once(child, 'close')
      }
    },
  }
}

/** Cuts text into lines. */
function lines(onLine: (line: string) => void): (chunk: string) => void {
  let rest = ''
  return (chunk) => {
    const parts = (rest + chunk).split('\n')
    rest = (parts.pop() ?? '').slice(-mostPending)
    parts.forEach(onLine)
  }
}
