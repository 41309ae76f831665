import { randomBytes } from 'node:crypto'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { errnoOf, explaining } from '../errors.ts'
import { isAbort } from '../package/flow.ts'
import type { Observer } from '../package/observer.ts'
import { createAnswers } from './answers.ts'
import { Control } from './control.ts'
import type { ServiceHome } from './home.ts'
import { parseListen } from './programs/listening-socket.ts'
import { Operations, type Look } from './operations.ts'
import type { Supervisor } from './supervisor.ts'
import { Updater } from './updater.ts'
import { createView } from './view.ts'

/** What a service answers with. */
export interface ServeOptions {
  home: ServiceHome
  env: Readonly<Record<string, string | undefined>>
  cwd: string
  observer: Observer
  /** Where its page is, and the address of it that people know. */
  web: string | undefined
  webUrl: string | undefined
  look: Look | undefined
  /** Calls when its source may have something new, until the supervisor stops. */
  follow: ((wake: () => void) => Promise<void>) | undefined
}

/**
 * Opens what people and programs ask a service by: the control socket and the page; and follows its source.
 * @throws GupperError `usage` (64), `unreachable` (69), `cannot-write` (73)
 */
export async function serveService(
  supervisor: Supervisor,
  options: ServeOptions,
): Promise<{ operations: Operations; close(): Promise<void> }> {
  const { home, env, cwd, observer, web, webUrl, look, follow } = options
  const { events } = supervisor.parts
  const operations = new Operations(supervisor, { look, env, cwd })
  const listen = web === undefined ? undefined : parseListen(web, '--web')
  const control = await Control.open(home.control, createAnswers(supervisor, operations))
  let page: { url: string; close(): Promise<void> } | undefined
  if (listen !== undefined) {
    const { openWeb } = await import('../web/web.ts')
    try {
      await makeToken(home.token)
      const view = createView(supervisor, operations, home.log)
      page = await openWeb({
        ...{ listen, view, token: { file: home.token }, observer },
        ...(webUrl !== undefined && { publicUrl: webUrl }),
      })
    } catch (error) {
      await control.close()
      throw error
    }
    events.tell('page', { url: page.url, token_file: home.token })
  }
  if (follow) {
    const updater = new Updater(supervisor, operations)
    follow(() => updater.wake()).catch((error: unknown) => {
      if (!isAbort(error) && !supervisor.stopping)
        observer.error(`the source is not followed any more: ${String(error)}`)
    })
  }
  const close = async (): Promise<void> => {
    await page?.close()
    await control.close()
  }
  return { operations, close }
}

/** The token of the page: 256 bits that only this user may read, made once. */
async function makeToken(path: string): Promise<void> {
  const known = await readFile(path, 'utf8').catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return ''
    throw error
  })
  if (known.trim() !== '') return
  await explaining(`cannot write ${path}`, async () => {
    await writeFile(path, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600 })
    await chmod(path, 0o600)
  })
}
