import { Option } from 'clipanion'
import type { ListOptions } from '../sources/list.ts'
import { FilterCommand } from './filter-command.ts'

/** The flags of the verbs that read sources. */
export abstract class SourceCommand extends FilterCommand {
  probe = Option.Array('--probe', {
    description: 'DIR: ask the executables in this directory for their version',
  })
  tokenFile = Option.String('--token-file', {
    description: 'FILE: the token for servers that want one (or the variable GUPPER_TOKEN_FILE)',
  })

  /** What the sources need of the world. */
  protected sourceOptions(): ListOptions {
    const { env, cwd, signal } = this.context
    return {
      cwd,
      env,
      signal,
      observer: this.observer,
      tokenFile: this.tokenFile ?? env.GUPPER_TOKEN_FILE,
      ...(this.probe && { probe: this.probe }),
    }
  }
}
