/** The library: the steps as typed async generators over the same functions, for programs that embed them. */
export { GupperError, type ErrorCode } from './errors.ts'
export { from, isAbort, orThrow, type Items } from './package/flow.ts'
export type { Filter } from './package/filter.ts'
export type { Observer, Progress } from './package/observer.ts'
export {
  isFailure,
  parseItem,
  type Failure,
  type Item,
  type PackageRecord,
  type Proof,
} from './package/record.ts'
export { select } from './package/select.ts'
export { initRepository, type InitOptions } from './repository/init.ts'
export { readKeyring, type Keyring } from './repository/keys/keyring.ts'
export { publish, type PublishOptions } from './repository/packages/publish.ts'
export { refresh as refreshRepository } from './repository/refresh.ts'
export { yank, type YankOptions } from './repository/packages/yank.ts'
export { fetchPackages as fetch, type FetchOptions } from './sources/fetch.ts'
export { list, type ListOptions } from './sources/list.ts'
export { createProver } from './sources/prover.ts'
export { openTrust, type Trust, type TrustOptions } from './sources/trust.ts'
export { watch, type WatchOptions } from './sources/watch.ts'
export { install, type InstallOptions } from './store/install.ts'
export { newerThan } from './store/newer.ts'
export { packPackage as pack } from './store/pack.ts'
export { listSlots, rollback } from './store/rollback.ts'
export { createStages, type Stages } from './store/stages.ts'
export { verify, type VerifyOptions } from './trust/verify.ts'
export { update, type UpdateOptions } from './update.ts'
export { readItems, writeLine } from './package/ndjson.ts'
