import type { Claim } from '../rules.ts'
import type { Vouched } from './walk.ts'

/** Finds what a signed repository says of a file. */
export interface TufProver {
  /** @returns undefined where no role vouches for it @throws GupperError when the repository cannot be believed */
  find(claim: Pick<Claim, 'file' | 'source' | 'watched'>): Promise<Vouched | undefined>
  /** Lets go of its connections. */
  close(): void
}
