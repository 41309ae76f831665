import { randomBytes } from 'node:crypto'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { errnoOf, explaining } from '../errors.ts'
import type { Observer } from '../package/observer.ts'
import type { WebPlace } from '../web/web.ts'
import type { ServiceHome } from './home.ts'
import { parseListen } from './programs/listening-socket.ts'

/** Where the page of a service is, as the flags say it, and the address of it that people know. */
export interface PageOptions {
  home: ServiceHome
  web: string | undefined
  webUrl: string | undefined
  observer: Observer
}

/**
 * Takes the place of a service's page, before anything is started, taken over or stopped: what is wrong with it leaves all as
 * it was. The directory of the service is there.
 * @throws GupperError `usage` (64), `unreachable`, `cannot-read` (69), `cannot-write` (73), `config` (78)
 */
export async function openPage(options: PageOptions): Promise<WebPlace | undefined> {
  const { home, web, webUrl, observer } = options
  if (web === undefined) return undefined
  const listen = parseListen(web, '--web')
  const { openWebPlace } = await import('../web/web.ts')
  await makeToken(home.token)
  return openWebPlace({
    ...{ listen, token: { file: home.token }, observer },
    ...(webUrl !== undefined && { publicUrl: webUrl }),
  })
}

/** The token of the page: 256 bits that only this user may read, made once. */
async function makeToken(path: string): Promise<void> {
  const read = async (): Promise<string> =>
    readFile(path, 'utf8').catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return ''
      throw error
    })
  const known = await explaining(`cannot read the token in ${path}`, read, true)
  if (known.trim() !== '') return
  await explaining(`cannot write ${path}`, async () => {
    await writeFile(path, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600 })
    await chmod(path, 0o600)
  })
}
