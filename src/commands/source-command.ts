import { Option } from 'clipanion'
import type { ListOptions } from '../sources/list.ts'
import { FilterCommand } from './filter-command.ts'
import { TokenFlags } from './step-flags.ts'

/** The flags of the verbs that read sources. */
export abstract class SourceCommand extends TokenFlags(FilterCommand) {
  probe = Option.Array('--probe', {
    description: 'DIR: ask the executables in this directory for their version',
  })
  /** What the sources need of the world. */
  protected sourceOptions(): ListOptions {
    const { env, cwd, signal } = this.context
    return {
      cwd,
      env,
      signal,
      observer: this.observer,
      tokenFile: this.tokenPath(),
      ...(this.probe && { probe: this.probe }),
    }
  }
}
