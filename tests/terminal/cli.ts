import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Entry } from '../../src/commands/catalog.ts'

const run = promisify(execFile)
const at = (path: string): string => new URL(`../../src/${path}`, import.meta.url).href

/** What gupper prints. */
export async function gupper(...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [new URL(at('cli.ts')).pathname, ...args])
  return stdout
}

/** The verbs as their commands define them; read by a process of its own, since vite takes another build of clipanion. */
export async function readEntries(): Promise<Entry[]> {
  const script = `import {readCatalog} from '${at('commands/catalog.ts')}'; console.log(JSON.stringify(await readCatalog()))`
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script])
  return JSON.parse(stdout) as Entry[]
}
