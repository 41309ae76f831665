// Runs the bats files (all, or those given) and says how many tests were skipped; in CI a skipped test is a failure.
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import path from 'node:path'

const root = path.dirname(import.meta.dirname)
const given = process.argv.slice(2)
const files =
  given.length > 0
    ? given
    : readdirSync(path.join(root, 'bats'))
        .filter((f) => f.endsWith('.bats'))
        .sort()
const bats = path.join(root, 'node_modules', 'bats', 'bin', 'bats')
const child = spawn(
  'bash',
  [
    bats,
    '--print-output-on-failure',
    '--timing',
    ...files.map((file) => path.resolve(root, 'bats', path.basename(file))),
  ],
  { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], detached: true },
)

// All tests together get a deadline, so that one that hangs does not hang CI.
const deadline = setTimeout(() => {
  process.stderr.write('bats: not done within 18 minutes\n')
  if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
}, 18 * 60_000)

let text = ''
child.stdout.on('data', (chunk: Buffer) => {
  text += chunk.toString()
  process.stdout.write(chunk)
})
child.on('close', (status) => {
  clearTimeout(deadline)
  const count = (form: RegExp): number => text.match(form)?.length ?? 0
  const skipped = count(/^ok \d+ .*# skip/gm)
  const passed = count(/^ok \d+ /gm) - skipped
  const failed = count(/^not ok \d+ /gm)
  process.stdout.write(`bats: ${passed} passed, ${failed} failed, ${skipped} skipped\n`)
  process.exitCode = status ?? 70
  if (process.env.CI && skipped > 0) {
    process.stdout.write('a skipped test is a failure in CI: install the tools it names\n')
    process.exitCode = 1
  }
})
