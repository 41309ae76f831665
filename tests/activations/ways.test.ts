import { copyFile, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { createHandover } from '../../src/activations/handover.ts'
import { findPort } from '../../src/activations/port.ts'
import { createProxy } from '../../src/activations/proxy.ts'
import { createRestart } from '../../src/activations/restart.ts'
import { createCommand, createSignal, parseSignal } from '../../src/activations/signal.ts'
import { createReuseport, createSocket } from '../../src/activations/socket.ts'
import { silent } from '../../src/package/observer.ts'
import { isUp, it, until, up, type World } from '../supervisor/tools.ts'

const stays = [up, 'exec sleep 1000']
// With traps: sh runs them between two commands only.
const loop = [up, 'while :; do sleep 1000 & wait $!; done']
const nothing = { in_flight: null, cut: null, lost: null }
const selfUpdate = join(import.meta.dirname, 'self-update.js')
const web = join(import.meta.dirname, '../../scripts/services/web.js')

const speaking = (version: string): string => `exec '${process.execPath}' '${selfUpdate}' ${version} "$@"`
const serving = `VERSION=$V exec '${process.execPath}' '${web}'`

/** Opens a world whose programs are started by its keeper, with a listening socket where one is asked for. */
async function begin(
  open: () => Promise<World>,
  listen?: { host: string; port: number },
): Promise<World & { signal: AbortSignal }> {
  const world = await open()
  await world.programs.open(listen)
  return { ...world, signal: new AbortController().signal }
}

const answer = async (port: number): Promise<string> => (await fetch(`http://127.0.0.1:${port}/`)).text()
const answers = (port: number, text: string) => async (): Promise<boolean> =>
  (await answer(port).catch(() => '')).trim() === text

describe('restart', () => {
  it('ends the old program before it starts the new one', async ({ open }) => {
    const world = await begin(open)
    const way = createRestart(world.stage())
    const old = await way.start(
      await world.release('1.0.0', "trap 'echo bye; exit 3' TERM", ...loop),
      undefined,
    )
    await isUp(old)
    const next = await way.start(await world.release('1.1.0', ...stays), old)
    expect(old.end).toEqual({ status: 3 })
    expect(next.end).toBeUndefined()
    expect(await way.drain(old, world.signal)).toEqual(nothing)
  })
})

describe('signal', () => {
  it.for([
    ['HUP', 'SIGHUP'],
    ['sigusr2', 'SIGUSR2'],
  ])('%s is one', ([text, signal]) => {
    expect(parseSignal(text ?? '')).toBe(signal)
  })

  it.for(['', 'NONE', 'KILL', 'SIGSTOP', 'TERM HUP'])('"%s" is none for a program', (text) => {
    expect(() => parseSignal(text)).toThrow(expect.objectContaining({ code: 'usage' }) as Error)
  })

  it('is sent to the program, which goes on as the new release', async ({ open, directory }) => {
    const world = await begin(open)
    const way = createSignal(world.stage(), 'SIGHUP')
    const [before, after] = [
      await world.release('1.0.0', "trap 'echo read anew' HUP", ...loop),
      await world.release('1.1.0', ...stays),
    ]
    // It is started from the target, whose files it reads anew.
    await copyFile(before.path, join(directory, 'app'))
    const program = await way.start(before, undefined)
    await isUp(program)
    expect(await way.start(after, program)).toBe(program)
    expect(program.release).toBe(after)
    await until(() => program.lastLines().includes('read anew'))
    expect(program.end).toBeUndefined()
  })

  it('finds nobody where the program has ended: it is started', async ({ open, directory }) => {
    const world = await begin(open)
    const way = createSignal(world.stage(), 'SIGHUP')
    const release = await world.release('1.0.0', ...stays)
    await copyFile(release.path, join(directory, 'app'))
    const program = await way.start(release, undefined)
    await program.kill()
    const next = await way.start(release, program)
    expect(next.pid).not.toBe(program.pid)
    await isUp(next)
  })
})

describe('exec', () => {
  const options = { deadline: 10_000, external: undefined }

  it('runs the command, which is told of both versions, and the program goes on', async ({
    open,
    directory,
  }) => {
    const world = await begin(open)
    const command = 'echo "$GUPPER_FROM $GUPPER_VERSION $GUPPER_PID $GUPPER_PROGRAM" > told'
    const way = createCommand(world.stage(), command, options)
    const [before, after] = [await world.release('1.0.0', ...stays), await world.release('1.1.0', ...stays)]
    await copyFile(before.path, join(directory, 'app'))
    const program = await way.start(before, undefined)
    expect(await way.start(after, program)).toBe(program)
    expect(await readFile(join(directory, 'told'), 'utf8')).toBe(`1.0.0 1.1.0 ${program.pid} ${after.path}\n`)
    expect(program.release).toBe(after)
  })

  it('that fails is the reason, with what it said, and the release stays', async ({ open, directory }) => {
    const world = await begin(open)
    const way = createCommand(world.stage(), 'echo no such unit >&2; exit 5', options)
    const release = await world.release('1.0.0', ...stays)
    await copyFile(release.path, join(directory, 'app'))
    const program = await way.start(release, undefined)
    await expect(way.start(await world.release('1.1.0'), program)).rejects.toMatchObject({
      code: 'not-ready',
      message: expect.stringMatching(/exit.* 5.*no such unit/s) as string,
    })
    expect(program.release).toBe(release)
  })
})

describe('handover', () => {
  it('waits for the new program, ends the old one, and only then says /replace', async ({ open }) => {
    const world = await begin(open)
    const port = await findPort()
    const way = createHandover(world.stage({ listen: { host: '127.0.0.1', port } }))
    const old = await way.start(await world.release('1.0.0', speaking('1.0.0')), undefined)
    await until(answers(port, '1.0.0'))
    const next = await way.start(await world.release('1.1.0', speaking('1.1.0')), old)
    await way.probe?.(next, world.signal)
    expect(await answer(port)).toBe('1.0.0')
    await way.switch(next, old)
    expect(old.end).toEqual({ status: 0 })
    await until(answers(port, '1.1.0'))
  })

  it('leaves the old program alone while the new one does not answer', async ({ open }) => {
    const world = await begin(open)
    const port = await findPort()
    const way = createHandover(world.stage({ listen: { host: '127.0.0.1', port } }))
    const old = await way.start(await world.release('1.0.0', speaking('1.0.0')), undefined)
    await until(answers(port, '1.0.0'))
    const next = await way.start(await world.release('1.1.0', ...stays), old)
    await expect(way.probe?.(next, AbortSignal.timeout(300))).rejects.toMatchObject({
      code: 'not-ready',
      message: expect.stringContaining('which it was given as -upgrade-bind') as string,
    })
    expect(await answer(port)).toBe('1.0.0')
  })

  it.for([undefined, { path: '/run/app.sock' }])(
    'needs a port that the program binds, not %j',
    async (listen, { open }) => {
      const world = await open()
      expect(() => createHandover(world.stage({ listen }))).toThrow(
        /needs the address that the program binds/,
      )
    },
  )
})

describe('socket', () => {
  it('gives the same socket to both; connections wait in it while nobody accepts', async ({ open }) => {
    const world = await begin(open, { host: '127.0.0.1', port: 0 })
    const { listen } = world.programs
    const port = listen && 'port' in listen ? listen.port : 0
    const way = createSocket(world.stage({ listen }))
    const early = connect(port, '127.0.0.1', () => early.write('GET / HTTP/1.0\r\n\r\n'))
    let text = ''
    early.on('data', (chunk) => (text += chunk.toString()))
    const old = await way.start(await world.release('1.0.0', serving), undefined)
    await until(() => text.includes('1.0.0'))
    const next = await way.start(await world.release('1.1.0', serving), old)
    await way.switch(next, old)
    expect(await way.drain(old, world.signal)).toEqual({ in_flight: null, cut: 0, lost: 0 })
    expect(old.end).toEqual({ status: 0 })
    await until(answers(port, '1.1.0'))
  })

  it('does not claim that nothing was lost of a program that had to be killed', async ({ open }) => {
    const world = await begin(open)
    const way = createReuseport(world.stage({ drain: 200 }))
    expect(way.caveat).toMatch(/reset/)
    const stubborn = await world.release('1.0.0', "trap '' TERM", up, 'while :; do sleep 1000; done')
    const old = await way.start(stubborn, undefined)
    await isUp(old)
    expect(await way.drain(old, world.signal)).toEqual(nothing)
    expect(old.end).toMatchObject({ signal: 'SIGKILL' })
  })
})

describe('proxy', () => {
  it('gives each program a port of its own and itself stays where it is', async ({ open }) => {
    const world = await begin(open)
    const stage = world.stage({ listen: { host: '127.0.0.1', port: 0 } })
    const way = createProxy(stage, { hold: 10_000, observer: silent })
    await way.open?.()
    const port = Number(new URL(way.url?.() ?? '').port)
    try {
      const held = answer(port)
      const old = await way.start(await world.release('1.0.0', serving), undefined)
      await until(answers(old.port ?? 0, '1.0.0'))
      await way.switch(old, undefined)
      expect((await held).trim()).toBe('1.0.0')
      const next = await way.start(await world.release('1.1.0', serving), old)
      expect(next.port).not.toBe(old.port)
      await until(answers(next.port ?? 0, '1.1.0'))
      expect((await answer(port)).trim()).toBe('1.0.0')
      await way.switch(next, old)
      expect((await answer(port)).trim()).toBe('1.1.0')
      expect(await way.drain(old, world.signal)).toEqual({ in_flight: 0, cut: 0, lost: null })
      expect(old.end).toBeDefined()
      expect(way.counts?.()).toMatchObject({ requests: 3, held: 1, retried: 0, lost: 0, cut: 0 })
    } finally {
      await way.close?.(0)
    }
  })

  it('needs an address', async ({ open }) => {
    const world = await open()
    const way = createProxy(world.stage(), { hold: 1, observer: silent })
    await expect(way.open?.()).rejects.toMatchObject({ code: 'usage' })
  })
})
