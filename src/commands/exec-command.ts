import { prepareExec, type Outcome } from '../activations/exec.ts'
import { isFailure } from '../package/record.ts'
import type { GupperCommand } from './command.ts'

/**
 * Ends a verb by becoming the command after `--`: when something changed and nothing failed, or with `always` whatever
 * happened. Returns only when there is nothing to become.
 * @param verb the running command
 * @param outcome what the steps did
 */
export async function become(
  verb: Pick<GupperCommand, 'context' | 'observer' | 'report'>,
  outcome: Outcome,
  options: { always: boolean; cleanInput: boolean; parent: number },
): Promise<void> {
  const { always, cleanInput, parent } = options
  const { command, env, cwd } = verb.context
  if (command === undefined || !(always || (outcome.changed && outcome.status === 0))) return
  const { file, args } = await prepareExec(command, { env, cwd, cleanInput, parent })
  // From now on standard output belongs to the program: what failed is told to people only.
  for (const item of outcome.items) if (isFailure(item)) verb.report(item)
  verb.observer.debug(`going on as ${command.join(' ')}`)
  verb.context.exec(file, args, env)
}
