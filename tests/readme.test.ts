// The README's session is run, command by command, and must print what the README says it prints.
import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, it } from 'vitest'

const root = path.dirname(import.meta.dirname)
let work = ''

beforeAll(async () => {
  work = await mkdtemp(path.join(tmpdir(), 'gupper-readme-'))
  await mkdir(path.join(work, 'bin'))
  await mkdir(path.join(work, 'ann'))
  await symlink(path.join(root, 'bin', 'gupper.js'), path.join(work, 'bin', 'gupper'))
})
afterAll(() => rm(work, { recursive: true, force: true }))

/** The console blocks of the README: each command with what it is said to print. */
async function readSession(): Promise<{ command: string; output: string }[]> {
  const text = await readFile(path.join(root, 'README.md'), 'utf8')
  const blocks = [...text.matchAll(/^```console\n(.*?)^```$/gms)].map(([, block = '']) => block)
  const parts = blocks.join('').split(/^\$ /m).slice(1)
  return parts.map((part) => {
    const [command = '', ...output] = part.split('\n')
    return { command, output: output.join('\n') }
  })
}

// What differs from run to run: the port, the place, the platform, times and the widths that follow from them.
function plain(text: string, port: number, other: number): string {
  return (
    text
      .replaceAll(`:${port}`, ':8080')
      .replaceAll(`:${other}`, ':8090')
      .replaceAll(path.join(work, 'ann'), '/home/ann')
      .replace(/"(os|arch)":"\w+"/g, '"$1":"-"')
      .replace(/\b(linux|darwin)([-/])(amd64|arm64)\b/g, 'linux$2amd64')
      .replace(/os=\w+&arch=\w+/g, 'os=-&arch=-')
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
      .replace(/\d{4}-\d\d-\d\d \(\d+ days\)/g, 'DAY')
      .replace(/\d+ ms/g, 'MS')
      .replace(/(committed|aborted) +\d+ +TIME/g, '$1 PID TIME')
      // Ids of keys, which are made anew each time.
      .replace(/\b[0-9a-f]{8}\b/g, 'KEY')
      .replace(/ +/g, ' ')
      .replace(/ $/gm, '')
  )
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as net.AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

it(
  'runs the session of the README, and every command prints what it says',
  { timeout: 120_000 },
  async () => {
    const session = await readSession()
    expect(session.length).toBeGreaterThan(10)
    const [port, other] = [await freePort(), await freePort()]
    const mark = '=-=-= next'
    const lines = session.map(({ command }) => {
      const line = command
        .replaceAll(':8080', `:${port}`)
        .replaceAll(':8090', `:${other}`)
        .replace('--port 8080', `--port ${port}`)
      if (!line.endsWith('&')) return line
      const [name, ready] = line.startsWith('gupper run')
        ? ['service', 'gupper status web 2> /dev/null | grep -q committed']
        : ['server', 'grep -qs listening serve.log']
      return `${line}\n${name}=$!; until ${ready}; do :; done`
    })
    const script = `trap 'kill $server $service; wait' EXIT\n${lines.join(`\necho '${mark}'\n`)}\n`
    const { all } = await execa('bash', ['-c', script], {
      all: true,
      cwd: path.join(work, 'ann'),
      extendEnv: false,
      env: {
        PATH: `${path.join(work, 'bin')}:${path.dirname(process.execPath)}:${process.env.PATH ?? ''}`,
        HOME: path.join(work, 'home'),
      },
    })
    const outputs = `${all}\n`.split(`${mark}\n`)
    session.forEach(({ command, output }, i) => {
      expect(`$ ${command}\n${plain(outputs[i] ?? '', port, other)}`).toBe(
        `$ ${command}\n${plain(output, port, other)}`,
      )
    })
  },
)
