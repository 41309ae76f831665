import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { alternate, atMost, ms, type Part } from './figure.ts'
import { gupper, makePackages, serve, stop, time } from './machine.ts'

const [node, launcher] = gupper

/** How long it takes to start: the version, and a pipe that finds nothing new. */
export const start: Part = {
  name: 'start',
  needs: [],
  async *measure(work) {
    const bare = (): Promise<number> => Promise.resolve(time(work, node, '-e', '0'))
    const call = (...args: string[]): number => time(work, node, launcher, ...args)
    const against = 'bare node -e 0'
    const [version = 0, base = 0] = await alternate(25, () => Promise.resolve(call('--version')), bare)
    yield atMost(1.4, { what: 'gupper --version', against, ours: version, theirs: base, unit: ms })

    const dir = path.join(work, 'few')
    await makePackages(dir, 20)
    const script = path.join(work, 'pipe.sh')
    const step = `'${node}' '${launcher}'`
    await writeFile(
      script,
      `${step} list "$1" | ${step} select --newer-than ./app | ${step} fetch | ${step} install --to ./app\n`,
    )
    time(work, 'sh', script, dir)
    const { url, child } = await serve(work, dir)
    const pipe = (source: string) => () => Promise.resolve(time(work, 'sh', script, source))
    const [local = 0, remote = 0, again = 0] = await alternate(15, pipe(dir), pipe(url), bare)
    await stop(child)
    const what = 'list | select | fetch | install, nothing new'
    yield atMost(4, { what: `${what}, directory`, against, ours: local, theirs: again, unit: ms })
    yield atMost(4, { what: `${what}, server`, against, ours: remote, theirs: again, unit: ms })
  },
}
