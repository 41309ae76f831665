import type { GupperCommand } from './command.ts'

/** A verb: how it is called, and where its command is, loaded only when it is called. */
export interface Verb {
  name: string
  /** The verbs below a verb: `gupper cache ls`. */
  below?: readonly string[]
  /** Where the words after `--` are a command to run, not arguments of the verb: whether it must be there. */
  takesCommand?: TakesCommand
  load(): Promise<{ commands: readonly VerbClass[] }>
}

/** Whether a verb cannot do without a command, or can. */
export type TakesCommand = 'must' | 'may'

export type VerbClass = (new () => GupperCommand) & typeof GupperCommand

/** All verbs, in the order of a pipeline. */
export const verbs: readonly Verb[] = [
  { name: 'pack', load: () => import('./pack.ts') },
  {
    name: 'trust',
    below: [
      ...['init', 'refresh', 'status', 'key', 'sign', 'rotate'],
      ...['add-key', 'remove-key', 'threshold', 'delegate'],
    ],
    load: () => import('./trust.ts'),
  },
  { name: 'publish', load: () => import('./publish.ts') },
  { name: 'yank', load: () => import('./yank.ts') },
  { name: 'serve', load: () => import('./serve.ts') },
  { name: 'list', load: () => import('./list.ts') },
  { name: 'watch', load: () => import('./watch.ts') },
  { name: 'select', load: () => import('./select.ts') },
  { name: 'fetch', load: () => import('./fetch.ts') },
  { name: 'verify', load: () => import('./verify.ts') },
  { name: 'install', load: () => import('./install.ts') },
  { name: 'reexec', takesCommand: 'must', load: () => import('./reexec.ts') },
  { name: 'activate', load: () => import('./activate.ts') },
  { name: 'rollback', load: () => import('./rollback.ts') },
  { name: 'update', takesCommand: 'may', load: () => import('./update.ts') },
  { name: 'run', takesCommand: 'may', load: () => import('./run.ts') },
  { name: 'status', load: () => import('./status.ts') },
  { name: 'logs', load: () => import('./logs.ts') },
  { name: 'check', load: () => import('./check.ts') },
  { name: 'restart', load: () => import('./restart.ts') },
  { name: 'freeze', load: () => import('./freeze.ts') },
  { name: 'unfreeze', load: () => import('./unfreeze.ts') },
  { name: 'cache', below: ['ls', 'verify', 'prune'], load: () => import('./cache.ts') },
  { name: 'schema', load: () => import('./schema.ts') },
  { name: 'completion', load: () => import('./completion.ts') },
  { name: 'man', load: () => import('./man.ts') },
]
