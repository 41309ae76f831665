import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { alternate, atMost, ms, type Part } from './figure.ts'
import { gupper, has, listed, makeLarge, serve, startNginx, stop, time } from './machine.ts'

const [node, launcher] = gupper

/** A large download into an empty cache, its digest checked, against curl. */
export const fetching: Part = {
  name: 'fetch',
  needs: ['curl', 'sha256sum'],
  async *measure(work) {
    const dir = path.join(work, 'large')
    await makeLarge(path.join(dir, 'large-1.0.0-any-any'), 200e6)
    const from = has('nginx') ? await startNginx(work, dir) : await serve(work, dir)
    const url = `${from.url}/download/large-1.0.0-any-any`
    const record = JSON.parse(await listed(work, dir)) as object
    await writeFile(path.join(work, 'record'), `${JSON.stringify({ ...record, url, source: from.url })}\n`)
    const out = path.join(work, 'out')
    const fresh = async (command: string): Promise<number> => {
      for (const place of [out, path.join(work, 'cache/gupper/sha256')])
        await rm(place, { recursive: true, force: true })
      return time(work, 'sh', '-c', command)
    }
    const curl = `curl -sf -o '${out}' ${url}`
    const [ours = 0, alone = 0, both = 0] = await alternate(
      7,
      () => fresh(`'${node}' '${launcher}' fetch <record`),
      () => fresh(curl),
      () => fresh(`${curl} && sha256sum '${out}'`),
    )
    await stop(from.child)
    const what = 'fetch of 200 MB, digest checked'
    yield atMost(1.4, { what, against: 'curl -o', ours, theirs: alone, unit: ms })
    yield atMost(1, { what, against: 'curl -o && sha256sum', ours, theirs: both, unit: ms })
  },
}
