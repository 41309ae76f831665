import { Command, Option } from 'clipanion'
import { parseDuration } from '../package/duration.ts'
import { parseBytes } from '../package/bytes.ts'
import { listCache, pruneCache, verifyCache } from '../store/cache.ts'
import { formatBytes } from '../terminal/text.ts'
import { GupperCommand } from './command.ts'
import { cacheHome } from './homes.ts'

abstract class CacheCommand extends GupperCommand {
  protected override columns = {
    DIGEST: ({ digest }: Record<string, unknown>) =>
      typeof digest === 'string' ? digest.slice(0, 'sha256:'.length + 12) : 'unfinished',
    SIZE: ({ size }: Record<string, unknown>) => formatBytes(Number(size)),
    USED: ({ used }: Record<string, unknown>) => String(used),
    PATH: ({ path }: Record<string, unknown>) => String(path),
  }
}

class ListCacheCommand extends CacheCommand {
  static override paths = [['cache', 'ls']]
  static override usage = Command.Usage({
    category: 'Care',
    description: 'what the cache of downloads holds',
    details:
      'Writes a record for each package, with its digest, and for each download that was not finished.',
    examples: [['The largest first', 'gupper cache ls | jq -s "sort_by(-.size)[]" -c']],
  })

  async run(): Promise<undefined> {
    await this.write(listCache(cacheHome(this.context.env)))
  }
}

class VerifyCacheCommand extends CacheCommand {
  static override paths = [['cache', 'verify']]
  static override usage = Command.Usage({
    category: 'Care',
    description: 'hash everything in the cache again',
    details: 'Damaged packages are removed and reported; the exit status is 65 when there were any.',
    examples: [['After a crash of the machine', 'gupper cache verify']],
  })

  async run(): Promise<undefined> {
    await this.write(verifyCache(cacheHome(this.context.env)))
  }
}

class PruneCacheCommand extends CacheCommand {
  static override paths = [['cache', 'prune']]
  static override usage = Command.Usage({
    category: 'Care',
    description: 'make the cache smaller',
    details:
      'Removes downloads that were not finished, and packages by age and size, least recently used first. What is in ' +
      'use, or was within the last minute, stays. Writes a record of everything it removed.',
    examples: [['From cron, once a day', 'gupper cache prune --max-size 2G --older-than 30d']],
  })

  maxSize = Option.String('--max-size', { description: 'SIZE: keep no more than this, such as 500M or 2G' })
  olderThan = Option.String('--older-than', { description: 'TIME: remove what was not used for this long' })

  async run(): Promise<undefined> {
    await this.write(
      pruneCache(cacheHome(this.context.env), {
        ...(this.maxSize !== undefined && { maxSize: parseBytes(this.maxSize, '--max-size') }),
        ...(this.olderThan !== undefined && { olderThan: parseDuration(this.olderThan, '--older-than') }),
      }),
    )
  }
}

export const commands = [ListCacheCommand, VerifyCacheCommand, PruneCacheCommand]
