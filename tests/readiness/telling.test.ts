import { mkdirSync } from 'node:fs'
import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { silent } from '../../src/package/observer.ts'
import { checkNotify } from '../../src/readiness/notify.ts'
import { parseCheck } from '../../src/readiness/parse.ts'
import { tools } from '../../src/readiness/receiver.ts'
import { expectNever, makeDeadline, makeDirectory, tryOut, wait } from './tools.ts'

describe('fd', () => {
  it.each(['echo >&4', 'printf "garbage and then\\n" >&4', '(echo >&$GUPPER_READY_FD) & sleep 100'])(
    'is ready at a newline: %s',
    async (script) => {
      await expect(wait(await tryOut('fd', script))).resolves.toBeUndefined()
    },
  )

  it('is ready late, and on another descriptor', async () => {
    const directory = await makeDirectory()
    const trial = await tryOut(
      'fd:7',
      `until [ -e '${directory}/go' ]; do sleep 0.02; done; echo >&7; sleep 100`,
    )
    const waiting = wait(trial)
    await writeFile(join(directory, 'go'), '')
    await expect(waiting).resolves.toBeUndefined()
    expect(await trial.prepared.again(trial.candidate, new AbortController().signal)).toBeUndefined()
  })

  it.each(['exec 4>&-; sleep 100', 'printf garbage >&4', 'exit 1', '(sleep 0.1) & exit 0'])(
    'fails at once when it is closed without one: %s',
    async (script) => {
      await expect(wait(await tryOut('fd', script))).rejects.toMatchObject({
        code: 'not-ready',
        message: expect.stringMatching(/closed file descriptor 4 without a line/) as string,
      })
    },
  )

  it('is never ready while it is held without a word', async () => {
    await expectNever(await tryOut('fd', 'sleep 100'), /has written no line to file descriptor 4 yet/)
  })
})

describe('notify', () => {
  const send = (...messages: string[]): string =>
    `perl -MSocket -e 'socket(my $s, PF_UNIX, SOCK_DGRAM, 0); send($s, $_ =~ s/;/\\n/gr, 0, sockaddr_un($ENV{NOTIFY_SOCKET})) // die $! for @ARGV' ${messages.map((message) => `'${message}'`).join(' ')}`

  const installed = tools.filter(
    (tool) => spawnSync(tool.name, tool.args('/nowhere/at/all'), { input: '' }).error === undefined,
  )

  it('has something to receive with here', () => {
    expect(installed.length).toBeGreaterThan(0)
  })

  describe.each(installed)('received by $name', (tool) => {
    const check = checkNotify('notify', [tool])

    it.each([
      [['READY=1']],
      [['STATUS=loading;MAINPID=1', 'READY=1;STATUS=up', 'WATCHDOG=1']],
      [['X READY=1', '\x01\xff', 'READY=1;']],
    ])('is ready at %j', async (messages) => {
      await expect(wait(await tryOut(check, send(...messages)))).resolves.toBeUndefined()
    })

    it.each([
      ['ERRNO=2', /failed with ERRNO=2/],
      ['STOPPING=1', /STOPPING=1 before READY=1/],
    ])('fails at once at %s', async (message, reason) => {
      await expect(wait(await tryOut(check, send(message, 'READY=1')))).rejects.toThrow(reason)
    })

    it('is never ready at what only looks like it, and tells the status', async () => {
      const { signal, pass } = makeDeadline()
      const script = send('XREADY=1', 'READY=10', 'READY=0', 'STATUS=loading')
      const { prepared, candidate } = await tryOut(check, script, {}, { ...silent, debug: pass })
      await expect(prepared.wait(candidate, signal)).rejects.toThrow(
        /not sent READY=1 yet; its status: loading/,
      )
    })

    it('lets nobody else in, and ends', async () => {
      const { prepared } = await tryOut(check, ':')
      const path = prepared.inherit.env.NOTIFY_SOCKET ?? ''
      expect((await stat(path)).mode & 0o777 & 0o077).toBe(0)
      await prepared.close()
      await expect(prepared.close()).resolves.toBeUndefined()
    })
  })

  it('says what to install when nothing can receive', async () => {
    const check = checkNotify('notify', [{ name: 'no-such-program', args: () => [] }])
    await expect(check.prepare(await makeDirectory(), silent)).rejects.toMatchObject({
      code: 'config',
      hint: expect.stringContaining('perl') as string,
    })
  })

  it('says when the path is too long', async () => {
    const directory = join(await makeDirectory(), 'x'.repeat(100))
    mkdirSync(directory)
    await expect(parseCheck('notify').prepare(directory, silent)).rejects.toMatchObject({ code: 'config' })
  })
})
