import { GupperError } from '../errors.ts'
import type { TufProver } from '../trust/tuf/prover.ts'
import { findTarget, type Vouched } from '../trust/tuf/walk.ts'
import type { Session, Trust } from './trust.ts'

// How long what was refreshed is believed, in ms: records may come for weeks, and what was taken back since must not pass.
const freshFor = 60_000

/**
 * Says what a signed repository vouches for, file by file.
 * @param trust the root of trust
 * @param addresses where the repository lies: mirrors of one another; none: each record's own source, and for what has
 *   none what is trusted on this machine already
 * @param reuse ms after which the metadata is brought up to date again
 */
export function createProver(trust: Trust, addresses: readonly string[], reuse = freshFor): TufProver {
  const find = async (session: Session, file: string): Promise<Vouched | undefined> => {
    try {
      return await findTarget(session.trusted, file)
    } finally {
      await session.keep()
    }
  }
  return {
    async find({ file, source, watched }) {
      const mirrors = addresses.length > 0 ? addresses : source === undefined ? [] : [source]
      const session = trust.recent(mirrors, reuse)
      if (session !== undefined) {
        try {
          const found = await find(session, file)
          // A stream that does not end brings what was not there when this session began.
          if (found !== undefined || !watched) return found
        } catch (error) {
          // Another mirror may have the role that this one lacks.
          if (!(error instanceof GupperError) || session.transport === undefined) throw error
        }
      }
      return trust.withMirrors(mirrors, (session) => find(session, file))
    },
    close: () => {
      trust.close()
    },
  }
}
