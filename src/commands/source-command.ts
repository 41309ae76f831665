import { Option } from 'clipanion'
import type { ListOptions } from '../sources/list.ts'
import { FilterCommand } from './filter-command.ts'
import { TokenFlags, TrustFlags } from './step-flags.ts'

/** The flags of the verbs that read sources. */
export abstract class SourceCommand extends TrustFlags(TokenFlags(FilterCommand)) {
  probe = Option.Array('--probe', {
    description: 'DIR: ask the executables in this directory for their version',
  })
  /** What the sources need of the world. */
  protected async sourceOptions(): Promise<ListOptions> {
    const { env, cwd, signal } = this.context
    return {
      cwd,
      env,
      signal,
      observer: this.observer,
      tokenFile: this.tokenPath(),
      trust: await this.openTrust(),
      ...(this.probe && { probe: this.probe }),
    }
  }
}
