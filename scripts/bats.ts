// Runs the bats files (all, or those given), holds everything the verbs wrote in them against the published schema, and
// says how many tests were skipped; in CI a skipped test is a failure.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import path from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'

const root = path.dirname(import.meta.dirname)
const given = process.argv.slice(2)
const outputs = mkdtempSync(path.join(tmpdir(), 'gupper-outputs-'))
const files = (given.length > 0 ? given : readdirSync(path.join(root, 'bats')))
  .filter((file) => file.endsWith('.bats'))
  .sort()
  .map((file) => path.join(root, 'bats', path.basename(file)))

// What verbs write that is data and neither a record nor a failure, told by the fields it must have.
const others = [
  ['listening'],
  ['repository', 'root'],
  ['role', 'version'],
  ['keyid', 'public'],
  ['leftover'],
  ['digest', 'path'],
  ['size', 'path', 'used'],
  ['exit', 'meaning'],
  ['time', 'level', 'message'],
  ['time', 'service', 'event'],
  ['service', 'state', 'phase'],
  ['service', 'way', 'took_ms', 'state'],
  ['time', 'stream', 'line'],
]

// Tests mostly wait for processes to start: two lines of them take little more than half the time of one.
const groups = split(files, Math.min(2, availableParallelism()))
const runs = await Promise.all(groups.map((group, i) => run(group, i === 0)))
for (const { text } of runs.slice(1)) process.stdout.write(text)
const { lines, wrong } = checkOutputs()
rmSync(outputs, { recursive: true, force: true })
const all = runs.map(({ text }) => text).join('')
const count = (form: RegExp): number => all.match(form)?.length ?? 0
const skipped = count(/^ok \d+ .*# skip/gm)
const passed = count(/^ok \d+ /gm) - skipped + (lines > 0 && wrong.length === 0 ? 1 : 0)
const failed = count(/^not ok \d+ /gm) + (wrong.length > 0 ? 1 : 0)
process.stdout.write(wrong.map((line) => `not of the schema: ${line}\n`).join(''))
process.stdout.write(`${lines} lines of output held against the schema, ${wrong.length} do not fit\n`)
process.stdout.write(`bats: ${passed} passed, ${failed} failed, ${skipped} skipped\n`)
const bad = runs.find(({ status }) => status !== 0)
process.exitCode = bad ? (bad.status ?? 70) : failed > 0 ? 1 : 0
if (process.env.CI && skipped > 0) {
  process.stdout.write('a skipped test is a failure in CI: install the tools it names\n')
  process.exitCode = 1
}

/** Deals files out by their size, the largest first. */
function split(files: readonly string[], most: number): string[][] {
  const groups = Array.from({ length: Math.max(1, Math.min(most, files.length)) }, () => ({
    size: 0,
    files: [] as string[],
  }))
  const sized = files.map((file) => ({ file, size: statSync(file, { throwIfNoEntry: false })?.size ?? 0 }))
  for (const { file, size } of sized.sort((a, b) => b.size - a.size)) {
    const [lightest] = groups.toSorted((a, b) => a.size - b.size)
    lightest?.files.push(file)
    if (lightest) lightest.size += size
  }
  return groups.map(({ files }) => files.sort())
}

/** Runs bats over some files. The first run is shown as it goes, what the others say is held back: lines would mix. */
async function run(
  files: readonly string[],
  shown: boolean,
): Promise<{ text: string; status: number | null }> {
  const bats = path.join(root, 'node_modules', 'bats', 'bin', 'bats')
  const child = spawn('bash', [bats, '--print-output-on-failure', '--timing', ...files], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, GUPPER_TEST_OUTPUTS: outputs },
    detached: true,
  })
  // All tests together get a deadline, so that one that hangs does not hang CI.
  const deadline = setTimeout(() => {
    process.stderr.write('bats: not done within 18 minutes\n')
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }, 18 * 60_000)
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    if (shown) process.stdout.write(chunk)
  })
  const [status] = (await once(child, 'close')) as [number | null]
  clearTimeout(deadline)
  return { text, status }
}

function checkOutputs(): { lines: number; wrong: string[] } {
  const schema = readFileSync(path.join(root, 'src/package/record.schema.json'), 'utf8')
  const validate = new Ajv2020({ strict: false, formats: { 'date-time': true, uri: true } }).compile(
    JSON.parse(schema) as object,
  )
  let lines = 0
  const wrong: string[] = []
  for (const file of readdirSync(outputs)) {
    for (const line of readFileSync(path.join(outputs, file), 'utf8').split('\n')) {
      if (!line.startsWith('{"')) continue
      lines++
      if (!isData(line) && !validate(JSON.parse(line)))
        wrong.push(`${file}: ${line}: ${JSON.stringify(validate.errors?.[0]?.message)}`)
    }
  }
  return { lines, wrong }
}

function isData(line: string): boolean {
  const value = JSON.parse(line) as object
  return !('schema' in value) && others.some((fields) => fields.every((field) => field in value))
}
