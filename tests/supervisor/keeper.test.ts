import { existsSync } from 'node:fs'
import { readlink, readFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, onTestFinished } from 'vitest'
import { Keeper } from '../../src/supervisor/programs/keeper.ts'
import { findAllOf } from '../../src/supervisor/programs/leftovers.ts'
import { identify, signalTo } from '../../src/supervisor/programs/process.ts'
import { isUp, it, until, up } from './tools.ts'

const local = { host: '127.0.0.1', port: 0 }

describe('a keeper', () => {
  it('holds a socket in which connections wait, while nobody accepts', async ({ open }) => {
    const { programs } = await open()
    await programs.open(local)
    const { port } = programs.listen as { port: number }
    expect(port).toBeGreaterThan(0)
    const socket = createConnection(port, '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    await once(socket, 'connect')
    // In the end nobody has the socket any more.
    socket.on('error', () => undefined)
  })

  it('gives the socket to a program as fd 3, with its own number in LISTEN_PID', async ({ open }) => {
    const world = await open()
    await world.programs.open(local)
    const release = await world.release(
      '1.0.0',
      'echo "$LISTEN_FDS $LISTEN_PID $$"',
      'readlink /proc/$$/fd/3',
      up,
      'exec sleep 1000',
    )
    const program = await world.programs.start(release, { socket: true })
    await isUp(program)
    expect(program.lastLines()[0]).toBe(`1 ${program.pid} ${program.pid}`)
    expect(program.lastLines()[1]).toMatch(/^socket:/)
  })

  it('gives a program nothing of its own otherwise', async ({ open }) => {
    const world = await open()
    await world.programs.open(local)
    const program = await world.programs.start(await world.release('1.0.0', up, 'exec sleep 1000'), {})
    await isUp(program)
    const descriptors = [3, 4, 5, 6, 7, 8].map((fd) => readlink(`/proc/${program.pid}/fd/${fd}`))
    expect((await Promise.allSettled(descriptors)).map(({ status }) => status)).toEqual(
      Array(6).fill('rejected'),
    )
    expect(await readFile(`/proc/${program.pid}/environ`, 'utf8')).not.toContain('LISTEN_')
  })

  it('starts a program with any words and any environment', async ({ open, directory }) => {
    const words = [
      "it's",
      'two words',
      'two\nlines',
      '"$HOME"',
      '`id`',
      'a=b',
      '*',
      '',
      '-n',
      '\\',
      'ünïcödé ☃',
    ]
    const env = { QUOTED: 'it\'s "so"', LINES: 'one\ntwo\n', EQUAL: 'a=b=c', EMPTY: '', SNOW: '☃' }
    const script = 'console.log(JSON.stringify([process.argv.slice(1), process.env]))'
    const world = await open({ command: [process.execPath, '-e', script, '--', ...words], env })
    await world.programs.open(undefined)
    const program = await world.programs.start({ version: '1.0.0', path: directory }, {})
    expect(await program.ended).toEqual({ status: 0 })
    const [argv, environment] = JSON.parse(program.lastLines()[0] ?? '') as [string[], Record<string, string>]
    expect(argv).toEqual(words)
    expect(environment).toMatchObject({ ...env, GUPPER_SERVICE: 'test', GUPPER_VERSION: '1.0.0' })
  })

  it.for([
    ['exit 0', { status: 0 }],
    ['exit 77', { status: 77 }],
    ['kill -SEGV $$', { status: 139, signal: 'SIGSEGV' }],
    ['kill -KILL $$', { status: 137, signal: 'SIGKILL' }],
  ] as const)('tells how a program ended: %s', async ([line, end], { open }) => {
    const world = await open()
    await world.programs.open(undefined)
    const program = await world.programs.start(await world.release('1.0.0', line), {})
    expect(await program.ended).toEqual(end)
  })

  it('says 127 of a command that does not exist, and why', async ({ open, directory }) => {
    const world = await open({ command: [join(directory, 'missing')] })
    await world.programs.open(undefined)
    const program = await world.programs.start({ version: '1.0.0', path: directory }, {})
    expect(await program.ended).toEqual({ status: 127 })
    expect(program.lastLines().join()).toContain('No such file')
  })

  it('loses no last words of a program that died at once', async ({ open }) => {
    const world = await open()
    await world.programs.open(undefined)
    const program = await world.programs.start(
      await world.release('1.0.0', 'echo one; echo two >&2; printf three; exit 1'),
      {},
    )
    await program.ended
    for (const word of ['one', 'two', 'three']) expect(program.lastLines().join()).toContain(word)
    await until(async () => (await world.logged()).length === 3)
    expect((await world.logged()).sort()).toEqual(['stderr: two', 'stdout: one', 'stdout: three'])
  })

  it('tells of a program that ended while nobody listened, and has its last words', async ({
    open,
    directory,
  }) => {
    const keeper = await Keeper.start(join(directory, 'keeper'), undefined)
    const id = '0123456789ab'
    await keeper.prepare(id)
    const command = [
      '/bin/sh',
      '-c',
      'trap "echo last words; exit 5" TERM; while :; do sleep 1000 & wait $!; done',
    ]
    const env = { PATH: process.env.PATH, GUPPER_INSTANCE: id }
    const { pid } = await keeper.launch({ id, cwd: directory, command, env, socket: false, pipes: {} })
    keeper.close()
    await until(async () => (await readFile(`/proc/${pid}/cmdline`, 'utf8')).includes('last words'))
    // Not before its trap is set: then it has a child.
    await until(async () => (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')) !== '')
    process.kill(pid, 'SIGTERM')
    await until(() => identify(pid) === undefined)

    const world = await open()
    expect(await world.programs.find(keeper.identity)).toBe(true)
    await until(() => world.programs.statusOf(id) === 5)
    await world.programs.killOthers([])
    await until(async () => (await world.logged()).includes('stdout: last words'))
  })

  it('that was killed is not found, and the next start of a program has another', async ({
    open,
    directory,
  }) => {
    const world = await open()
    const identity = await world.programs.open(undefined)
    const release = await world.release('1.0.0', up, 'exec sleep 1000')
    const before = await world.programs.start(release, {})
    const { pid } = identity
    process.kill(pid, 'SIGKILL')
    await until(() => identify(pid) === undefined)
    expect(await Keeper.find(join(directory, 'keeper'), { ...identity, pid })).toBeUndefined()
    const after = await world.programs.start(release, {})
    await isUp(after)
    expect(world.programs.keeper?.pid).not.toBe(pid)
    process.kill(before.pid, 'SIGTERM')
    expect(await before.ended).toEqual({ status: 143, signal: 'SIGTERM' })
  })

  it('that starts a program too late finds its start taken back', async ({ directory }) => {
    const keeper = await Keeper.start(join(directory, 'keeper'), undefined)
    // Not by its pipe: that is gone with the directory.
    onTestFinished(() => void signalTo(keeper.identity.pid, 'SIGKILL'))
    const [late, next] = ['0123456789ab', '0123456789ac']
    const plan = { cwd: directory, env: { PATH: process.env.PATH }, socket: false, pipes: {} }
    const command = ['/bin/sh', '-c', `echo > '${directory}/ran'; exec sleep 1000`]
    process.kill(keeper.identity.pid, 'SIGSTOP')
    await keeper.prepare(late)
    const launched = keeper.launch({ id: late, command, ...plan })
    await expect(launched).rejects.toMatchObject({
      ...{ code: 'not-running', hint: expect.stringContaining('kill -CONT') as string },
    })
    await keeper.cancel(late)
    process.kill(keeper.identity.pid, 'SIGCONT')
    // Commands are taken in turn: after this one, the first has been.
    await keeper.prepare(next)
    const { pid } = await keeper.launch({ id: next, ...plan, command: ['sleep', '1000'] })
    await until(async () => (await findAllOf(late)).length === 0)
    expect(existsSync(join(directory, 'ran'))).toBe(false)
    await keeper.cancel(next, pid)
    expect(identify(pid)).toBeUndefined()
  })

  it('that nobody wrote down is gone when another is started there, and lets go of its socket', async ({
    open,
    directory,
  }) => {
    const lost = await Keeper.start(join(directory, 'keeper'), local)
    lost.close()
    const world = await open()
    await world.programs.open(lost.identity.listen)
    expect(identify(lost.identity.pid)).toBeUndefined()
    expect(world.programs.listen).toEqual(lost.identity.listen)
  })
})
