import { define, type Definition } from './definition.ts'
import { verbs } from './index.ts'

/** A verb with everything that can be said of it. */
export interface Entry extends Definition {
  /** Whether the words after `--` are a command to run. */
  takesCommand: boolean
}

/** Loads every verb and reads its own definition, in the order of a pipeline: for completion and the man page. */
export async function readCatalog(): Promise<Entry[]> {
  const loaded = await Promise.all(
    verbs.map(async (verb) => ({ ...(await verb.load()), takesCommand: verb.takesCommand })),
  )
  return loaded.flatMap(({ commands, takesCommand }) =>
    commands.map((command) => ({
      ...define(command, takesCommand),
      takesCommand: takesCommand !== undefined,
    })),
  )
}
