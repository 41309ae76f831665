// Kills gupper at every instant that matters and at many that may: node tests/chaos/chaos.ts random|steps|update|fetch
// file|tree PARENT-DIR GUPPER… ; SEED, RUNS and STRIDE come from the environment. Says what it did; ends with 1 at the
// first broken promise.
import { killFetches } from './kill-fetch.ts'
import { killAtRandom } from './kill-random.ts'
import { killAtSteps } from './kill-steps.ts'
import { killUpdates } from './kill-update.ts'
import { makeWorld, type Kind } from './world.ts'

const [how, kind, parent = '', ...gupper] = process.argv.slice(2)
const world = await makeWorld(parent, kind as Kind)
if (how === 'random') await killAtRandom(world, gupper)
else if (how === 'steps') await killAtSteps(world, gupper)
else if (how === 'update') await killUpdates(world, gupper)
else if (how === 'fetch') await killFetches(world, gupper)
else throw new Error(`there is no way to kill called ${how}`)
