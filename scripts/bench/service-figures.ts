import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { alternate, atLeast, median, ms, perSecond, type Figure, type Part } from './figure.ts'
import { environment } from './machine.ts'
import { startService, webProgram } from './service.ts'
import { Load, quantile } from './service-load.ts'

const run = promisify(execFile)
const listen = ['--listen', '127.0.0.1:0', '--healthy-for', '0', '--quiet']

/** A program that takes its listening socket from gupper, against the same program alone. */
export const throughSocket: Part = {
  name: 'socket',
  needs: ['wrk'],
  async *measure(work) {
    const service = await startService('1.0.0', {
      work,
      run: [...listen, '--via', 'socket', '--ready', 'fd'],
    })
    const alone = await startAlone(work)
    const load = async (port: number): Promise<number> => {
      const { stdout } = await run('wrk', ['-t1', '-c32', '-d2s', `http://127.0.0.1:${port}/`])
      if (/Non-2xx or 3xx|Socket errors/.test(stdout)) throw new Error(stdout)
      return Number(/Requests\/sec:\s*([\d.]+)/.exec(stdout)?.[1])
    }
    try {
      const [ours = 0, theirs = 0] = await alternate(
        7,
        () => load(service.port),
        () => load(alone.port),
      )
      const what = 'run --via socket: requests of 32 connections'
      yield atLeast(0.98, { what, against: 'the program alone', ours, theirs, unit: perSecond })
    } finally {
      await alone.stop()
      await service.stop()
    }
  },
}

/** How long a switch takes beyond what the program itself needs to start under the same load, and what requests feel of it. */
export const switching: Part = {
  name: 'switch',
  needs: [],
  async *measure(work) {
    for (const via of ['socket', 'proxy']) yield* measureSwitch(path.join(work, via), via)
  },
}

const switches = 40

async function* measureSwitch(work: string, via: string): AsyncGenerator<Figure> {
  const ready = via === 'proxy' ? 'tcp' : 'fd'
  const service = await startService('1.0.0', { work, run: [...listen, '--via', via, '--ready', ready] })
  const load = new Load(service.port, '1.0.0')
  const switched: number[] = []
  const own: number[] = []
  try {
    await load.start()
    for (let number = 1; number <= switches; number++) {
      const alone = await startAlone(work)
      own.push(alone.took)
      await alone.stop()
      const version = `1.0.${number}`
      let decided = 0
      await service.activate(version, () => {
        load.begin(version)
        decided = performance.now()
      })
      await load.commit(version)
      // To the first fresh connection that the new one answered for good: all later ones were its own.
      switched.push(load.lastOfOld - decided)
    }
  } finally {
    await load.stop()
    await service.stop()
  }
  if (load.lost.length > 0) throw new Error(load.lost.join('\n'))
  const [took, start] = [median(switched), median(own)]
  yield {
    ...{ what: `a switch via ${via}: decision to all-new, median`, against: "the program's own start" },
    ...{ measured: ms(took), peer: ms(start), ratio: took / start, better: 'less' },
    ...{ reach: '≤ + 150 ms', good: took - start <= 150 },
  }
  const [hold, rest] = [quantile(load.holds, 0.99), quantile(load.rests, 0.99)]
  yield {
    ...{ what: `requests amid switches via ${via}: p99`, against: 'between them', measured: ms(hold) },
    ...{ peer: ms(rest), ratio: hold / rest, better: 'less', reach: '≤ 50 ms', good: hold <= 50 },
  }
}

/** Starts the program by itself, on a port of its own. @returns ms until it answers */
async function startAlone(
  work: string,
): Promise<{ port: number; took: number; stop: () => Promise<unknown> }> {
  const file = path.join(work, 'alone')
  await writeFile(file, webProgram('alone'), { mode: 0o755 })
  const env = { ...environment(work), NODE_COMPILE_CACHE: path.join(work, 'compiled'), PORT: '0' }
  const began = performance.now()
  const child = spawn(file, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  const port = Number(/\d+$/.exec(line)?.[0])
  await (await fetch(`http://127.0.0.1:${port}/`)).text()
  const took = performance.now() - began
  const stop = async (): Promise<unknown> => {
    child.kill('SIGTERM')
    return ended
  }
  return { port, took, stop }
}
