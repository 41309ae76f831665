import * as init from './trust-init.ts'
import * as refresh from './trust-refresh.ts'

/** The verbs below `trust`, in the order of a repository's life; each is a file of its own. */
export const commands = [...init.commands, ...refresh.commands]
