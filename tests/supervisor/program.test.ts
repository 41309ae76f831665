import { readFile } from 'node:fs/promises'
import { describe, expect } from 'vitest'
import { describeEnd, Program } from '../../src/supervisor/programs/program.ts'
import { findMarked, identify, isAlive } from '../../src/supervisor/programs/process.ts'
import { isUp, it, saved, until, up } from './tools.ts'

const loop = 'while :; do sleep 1000 & wait $!; done'
const soon = 300 // ms, for a program that never ends by itself

describe('a program that is told to stop', () => {
  it('ends by its own will, and says how', async ({ open }) => {
    const world = await open()
    await world.programs.open(undefined)
    const release = await world.release('1.0.0', 'trap "echo bye; exit 3" TERM', up, loop)
    const program = await world.programs.start(release, {})
    await isUp(program)
    expect(await program.stop(10_000)).toEqual({ killed: false })
    expect(program.end).toEqual({ status: 3 })
    expect(await program.ended).toEqual({ status: 3 })
    expect(program.lastLines()).toEqual(['up', 'bye'])
  })

  it('takes its group along', async ({ open }) => {
    const world = await open()
    await world.programs.open(undefined)
    const release = await world.release('1.0.0', 'sleep 1000 &', 'echo $!', up, 'exec sleep 1000')
    const program = await world.programs.start(release, {})
    await isUp(program)
    const child = Number(program.lastLines()[0])
    expect(await program.stop(10_000)).toEqual({ killed: false })
    expect(program.end).toEqual({ status: 143, signal: 'SIGTERM' })
    expect(identify(child)).toBeUndefined()
  })

  it('takes along the program of a wrapper that does not pass the signal on', async ({ open }) => {
    const world = await open()
    await world.programs.open(undefined)
    const inner = `sh -c 'trap "exit 0" TERM; echo $$; echo up; ${loop}'`
    const release = await world.release('1.0.0', `${inner} &`, 'wait')
    const program = await world.programs.start(release, {})
    await isUp(program)
    const child = Number(program.lastLines()[0])
    expect(await program.stop(10_000)).toEqual({ killed: false })
    expect(identify(child)).toBeUndefined()
  })

  it('is killed at the deadline when it ignores that', async ({ open }) => {
    const world = await open()
    await world.programs.open(undefined)
    const release = await world.release('1.0.0', 'trap "" TERM', up, 'while :; do sleep 1000; done')
    const program = await world.programs.start(release, {})
    await isUp(program)
    expect(await program.stop(soon)).toEqual({ killed: true })
    expect(program.end).toEqual({ status: 137, signal: 'SIGKILL' })
    expect(isAlive(program.identity)).toBe(false)
  })

  it('takes along what has left its group and session: it carries its mark', async ({ open }) => {
    const world = await open()
    await world.programs.open(undefined)
    const release = await world.release(
      '1.0.0',
      'setsid sh -c "echo \\$\\$; echo up; exec sleep 1000" &',
      'wait',
    )
    const program = await world.programs.start(release, {})
    await isUp(program)
    const gone = Number(program.lastLines()[0])
    expect(await findMarked(program.mark)).toContain(gone)
    await program.stop(10_000)
    expect(identify(gone)).toBeUndefined()
    expect(await findMarked(program.mark)).toEqual([])
  })

  it('gets the signal once, however many there are in its group', async ({ open }) => {
    // Time enough for a second one to come.
    const script = `let n = 0; setInterval(() => {}, 1000)
      process.on('SIGTERM', () => { console.log('TERM', ++n); if (n === 1) setTimeout(() => process.exit(), 200) })
      console.log('up')`
    const world = await open({ env: { NODE: process.execPath, SCRIPT: script } })
    await world.programs.open(undefined)
    const release = await world.release('1.0.0', 'sleep 1000 &', 'exec "$NODE" -e "$SCRIPT"')
    const program = await world.programs.start(release, {})
    await isUp(program)
    expect(await program.stop(10_000)).toEqual({ killed: false })
    expect(program.end).toEqual({ status: 0 })
    expect(program.lastLines()).toEqual(['up', 'TERM 1'])
  })

  it('that has ended already gets nothing, and nobody who has its number', async ({ open }) => {
    const world = await open()
    await world.programs.open(undefined)
    const release = await world.release('1.0.0', 'exit 4')
    const program = await world.programs.start(release, {})
    expect(await program.ended).toEqual({ status: 4 })
    expect(program.signal('SIGTERM')).toBe(false)
    expect(await program.stop(10_000)).toEqual({ killed: false })
    // Another process has its number: of that one nothing is known here.
    const other = new Program({ ...saved('ffffffffffff', release), pid: process.pid, started: 'another' })
    expect(other.signal('SIGTERM')).toBe(false)
    expect(await other.stop(0)).toEqual({ killed: false })
  })
})

describe('a program', () => {
  it('gets signals of its own', async ({ open }) => {
    const world = await open()
    await world.programs.open(undefined)
    const release = await world.release('1.0.0', 'trap "echo hup" HUP', up, loop)
    const program = await world.programs.start(release, {})
    await isUp(program)
    expect(program.signal('SIGHUP')).toBe(true)
    await until(() => program.lastLines().includes('hup'))
    await program.kill()
    expect(program.signal('SIGHUP')).toBe(false)
  })

  it('whose waiter was killed is seen to end', async ({ open }) => {
    const world = await open()
    await world.programs.open(undefined)
    const program = await world.programs.start(await world.release('1.0.0', up, 'exec sleep 1000'), {})
    await isUp(program)
    const stat = await readFile(`/proc/${program.pid}/stat`, 'utf8')
    const waiter = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
    process.kill(waiter, 'SIGKILL')
    process.kill(program.pid, 'SIGTERM')
    expect(await program.ended).toEqual({ status: 255 })
  })

  it('is said to have ended so that people understand it', () => {
    expect(describeEnd({ status: 3 })).toBe('exited with 3')
    expect(describeEnd({ status: 139, signal: 'SIGSEGV' })).toBe('was ended by SIGSEGV')
  })
})

describe('a program that has not kept its environment', () => {
  it('is killed with its group when it was written down and is none that stays', async ({ open }) => {
    const world = await open()
    await world.programs.open(undefined)
    const hidden = `exec env -i /bin/sh -c 'sleep 1000 & echo $!; ${up}; wait'`
    const release = await world.release('1.0.0', hidden)
    const [stays, goes] = [await world.programs.start(release, {}), await world.programs.start(release, {})]
    await isUp(stays, goes)
    const child = Number(goes.lastLines()[0])
    expect(await findMarked(goes.mark)).toEqual([])
    await world.programs.killOthers([stays.id], [stays.saved, goes.saved])
    expect([isAlive(stays.identity), isAlive(goes.identity)]).toEqual([true, false])
    expect(identify(child)).toBeUndefined()
    await stays.kill()
  })

  it('is left alone when its number is another process by now', async ({ open }) => {
    const world = await open()
    await world.programs.open(undefined)
    const program = await world.programs.start(await world.release('1.0.0', up, 'exec sleep 1000'), {})
    await isUp(program)
    const { started } = program.identity
    await world.programs.killOthers(
      [program.id],
      [{ ...program.saved, id: 'another', started: `${started}0` }],
    )
    expect(isAlive(program.identity)).toBe(true)
  })
})

describe('the end of a program', () => {
  it('is its own word only where nobody had told it to end', async ({ open }) => {
    const world = await open()
    await world.programs.open(undefined)
    const before = Date.now()
    const own = await world.programs.start(await world.release('1.0.0', 'exit 4'), {})
    const told = await world.programs.start(await world.release('1.1.0', 'exec sleep 1000'), {})
    await own.ended
    await own.kill()
    await told.kill()
    expect([own.ownEnd, told.ownEnd]).toEqual([{ status: 4 }, undefined])
    expect(told.end).toMatchObject({ signal: 'SIGKILL' })
    expect(own.began).toBeGreaterThanOrEqual(before)
  })
})
