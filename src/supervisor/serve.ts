import { isAbort } from '../package/flow.ts'
import type { Observer } from '../package/observer.ts'
import type { WebPlace } from '../web/web.ts'
import { createAnswers } from './answers.ts'
import { Control } from './control.ts'
import type { ServiceHome } from './home.ts'
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
  /** Where its page is to be. */
  page: WebPlace | undefined
  look: Look | undefined
  /** Calls when its source may have something new, until the supervisor stops. */
  follow: ((wake: () => void) => Promise<void>) | undefined
}

/**
 * Opens what people and programs ask a service by: the control socket and the page; and follows its source.
 * @throws GupperError `cannot-write` (73)
 */
export async function serveService(
  supervisor: Supervisor,
  options: ServeOptions,
): Promise<{ operations: Operations; close(): Promise<void> }> {
  const { home, env, cwd, observer, page, look, follow } = options
  const { events } = supervisor.parts
  const operations = new Operations(supervisor, { look, env, cwd })
  const control = await Control.open(home.control, createAnswers(supervisor, operations))
  if (page) {
    try {
      await page.serve(createView(supervisor, operations, home.log))
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
  return { operations, close: () => control.close() }
}
