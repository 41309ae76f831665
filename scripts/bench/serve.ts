import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { alternate, atLeast, perSecond, type Figure, type Part } from './figure.ts'
import { makeLarge, makePackages, serve, startNginx, stop } from './machine.ts'

const run = promisify(execFile)
const large = 'large-1.0.0-any-any'
const rounds = 3
const seconds = 2

/** `gupper serve` against nginx with one worker, the same bytes as static files, both with an access log. */
export const serving: Part = {
  name: 'serve',
  needs: ['nginx', 'wrk', 'curl'],
  async *measure(work) {
    const dir = path.join(work, 'packages')
    await makePackages(dir, 400)
    await makeLarge(path.join(dir, large), 200e6)
    const gupper = await serve(work, dir)
    const nginx = await startNginx(work, dir)
    await writeFile(path.join(work, 'nginx/list'), await (await fetch(`${gupper.url}/list`)).text())

    const compare = async (what: string, reach: number, place: string, known = false): Promise<Figure> => {
      const [ours = 0, theirs = 0] = await alternate(
        rounds,
        await load(gupper.url + place, known),
        await load(nginx.url + place, known),
      )
      return atLeast(reach, { what, against: 'nginx, one worker', ours, theirs, unit: perSecond })
    }
    yield await compare('/list of 400 packages', 0.8, '/list')
    yield await compare('the same answered 304', 0.9, '/list', true)
    yield await compare('a 1 KB download', 0.5, '/download/app-1.0.7-any-any')
    const [ours = 0, theirs = 0] = await alternate(
      5,
      () => download(`${gupper.url}/download/${large}`),
      () => download(`${nginx.url}/download/${large}`),
    )
    const unit = (rate: number): string => `${(rate / 1e6).toFixed(0)} MB/s`
    yield atLeast(0.7, { what: 'a 200 MB download', against: 'nginx, one worker', ours, theirs, unit })
    await stop(nginx.child)
    await stop(gupper.child)
    await rm(path.join(dir, large))
  },
}

/** What a poll that finds nothing new costs the server, by the number of its packages. */
export const polling: Part = {
  name: 'poll',
  needs: ['wrk'],
  async *measure(work) {
    const urls: string[] = []
    for (const count of [400, 10_000, 100_000]) {
      const dir = path.join(work, `packages-${count}`)
      await makePackages(dir, count)
      urls.push((await serve(work, dir)).url)
    }
    const [few = 0, many = 0, most = 0] = await alternate(
      rounds,
      ...(await Promise.all(urls.map((url) => load(`${url}/list`, true)))),
    )
    const unit = perSecond
    // Machines differ from one moment to the next by more than a twentieth.
    const slack = 0.95
    const against = 'itself with 400'
    yield atLeast(slack, {
      what: '/list poll (304), 10,000 packages',
      against,
      ours: many,
      theirs: few,
      unit,
    })
    yield atLeast(slack, {
      what: '/list poll (304), 100,000 packages',
      against,
      ours: most,
      theirs: few,
      unit,
    })
  },
}

/** Prepares a load on an address over kept connections. @returns what measures it, in requests a second */
async function load(url: string, known: boolean): Promise<() => Promise<number>> {
  const etag = known ? (await fetch(url, { method: 'HEAD' })).headers.get('etag') : undefined
  if (etag === null) throw new Error(`${url} has no ETag`)
  const flags = etag === undefined ? [] : ['-H', `If-None-Match: ${etag}`]
  return async () => {
    const { stdout } = await run('wrk', ['-t1', '-c32', `-d${seconds}s`, ...flags, url])
    if (/Non-2xx or 3xx|Socket errors/.test(stdout)) throw new Error(stdout)
    return Number(/Requests\/sec:\s*([\d.]+)/.exec(stdout)?.[1])
  }
}

/** Downloads to nowhere. @returns bytes a second */
async function download(url: string): Promise<number> {
  const { stdout } = await run('curl', ['-sf', '-o', '/dev/null', '-w', '%{speed_download}', url])
  return Number(stdout)
}
