import * as addKey from './trust-add-key.ts'
import * as delegate from './trust-delegate.ts'
import * as init from './trust-init.ts'
import * as key from './trust-key.ts'
import * as refresh from './trust-refresh.ts'
import * as removeKey from './trust-remove-key.ts'
import * as rotate from './trust-rotate.ts'
import * as sign from './trust-sign.ts'
import * as status from './trust-status.ts'
import * as threshold from './trust-threshold.ts'

/** The verbs below `trust`, in the order of a repository's life; each is a file of its own. */
export const commands = [
  ...[...init.commands, ...refresh.commands, ...status.commands],
  ...[...key.commands, ...sign.commands, ...rotate.commands],
  ...[...addKey.commands, ...removeKey.commands, ...threshold.commands, ...delegate.commands],
]
