import { stat } from 'node:fs/promises'
import path from 'node:path'
import { Command, Option } from 'clipanion'
import { GupperError } from '../errors.ts'
import { parseDuration } from '../package/duration.ts'
import { shortId } from '../repository/roles/key-change.ts'
import { layoutOf } from '../repository/layout.ts'
import { readLives } from '../repository/lives.ts'
import { findFirst } from '../repository/pending/collect.ts'
import { findLeftovers, readPendingStatus, readStatus, type RoleStatus } from '../repository/status.ts'
import { openTransport } from '../sources/transport/transport.ts'
import { GupperCommand } from './command.ts'
import { KeyFlags } from './key-flags.ts'
import { TokenFlags } from './step-flags.ts'

const damages = ['unsigned', 'missing']
const alarms = ['expiring', 'expired', ...damages]

class TrustStatusCommand extends TokenFlags(KeyFlags(GupperCommand)) {
  static override paths = [['trust', 'status']]
  static override usage = Command.Usage({
    category: 'For publishers',
    description: 'show roles, keys, thresholds and expiries; 1 when something expires soon',
    details:
      'A line for each role, then one for each change that waits for signatures, and for what a run that was cut off has ' +
      'left. REPO is a directory, an address or a tar. Exits with 1 when a role expires within --within, or within half of ' +
      'its own life where that is less: a timestamp, which lives for 7 days and is signed every day, alarms when nobody ' +
      'has signed it for 3½ days. Who signs with other --expires gives them here too. Keys are only needed to see which of ' +
      'them are at hand.',
    examples: [
      ['For monitoring', 'gupper trust status https://example.com/repo --within 30d'],
      ['Which keys are here', 'gupper trust status ./repo --keys ~/keys'],
    ],
  })

  repo = Option.String({ name: 'REPO', required: false })
  within = Option.String('--within', '14d', { description: 'TIME: what counts as soon' })

  protected override columns = {
    ROLE: ({ role = '-' }: Record<string, unknown>): string => String(role),
    VERSION: ({ version = '-' }: Record<string, unknown>): string => String(version),
    STATE: (line: Record<string, unknown>): string => describeState(line),
    EXPIRES: ({ expires, left }: Record<string, unknown>): string =>
      expires === undefined ? '-' : `${(expires as string).slice(0, 10)} (${describeLeft(Number(left))})`,
    SIGNS: ({ threshold, keys = [] }: Record<string, unknown>): string =>
      threshold === undefined
        ? '-'
        : `${Number(threshold)} of ${(keys as RoleStatus['keys']).map(({ keyid, path }) => `${shortId(keyid)}${path === undefined ? '' : '*'}`).join(', ')}`,
  }

  async run(): Promise<number | undefined> {
    const { repo, context, observer } = this
    if (repo === undefined || repo === '')
      throw new GupperError('usage', 'which repository?', { hint: 'gupper trust status REPO' })
    const { cwd, env, signal } = context
    const options = {
      keyring: await this.readKeys(),
      lives: readLives(this.expires ?? []),
      within: parseDuration(this.within, '--within'),
      now: new Date(),
    }
    const place = path.resolve(cwd, repo)
    const local = (await stat(place).catch(() => undefined))?.isDirectory() === true
    if (local && (await findFirst(layoutOf(place)))) {
      await this.write(readPendingStatus(place, options))
      return 1
    }
    const transport = await openTransport(repo, { cwd, env, signal, observer, tokenFile: this.tokenPath() })
    let [alarm, whole] = [false, true]
    try {
      for await (const status of readStatus(transport, options)) {
        alarm ||= alarms.includes(status.state)
        whole &&= !damages.includes(status.state)
        if (!(await this.writeOne(status))) break
      }
    } finally {
      transport.close?.()
    }
    // What waits can only be held against what is whole.
    if (local && whole) {
      await this.write(readPendingStatus(place, options))
      for (const leftover of await findLeftovers(place)) await this.writeOne({ leftover })
    }
    return alarm ? 1 : undefined
  }
}

function describeState({ state, missing, awaits, leftover }: Record<string, unknown>): string {
  if (leftover !== undefined) return `left behind: ${leftover as string}`
  if (state !== 'waits') return String(state)
  const who = (awaits as string[]).map(shortId).join(', ')
  return missing === 0 ? 'waits for the keys of other roles' : `waits for ${Number(missing)} of ${who}`
}

function describeLeft(seconds: number): string {
  if (seconds <= 0) return 'over'
  const [days, hours] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600)]
  return days > 1 ? `${days} days` : `${hours} hours`
}

export const commands = [TrustStatusCommand]
