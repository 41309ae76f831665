import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { GupperError, errnoOf } from '../errors.ts'

/**
 * Makes named pipes (mkfifo(1): Node has no call for it), for this user alone.
 * @throws GupperError `cannot-write` (73); `config` (78) where there is no mkfifo
 */
export async function makePipes(...paths: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)('mkfifo', ['-m', '600', ...paths])
  } catch (error) {
    if (errnoOf(error) === 'ENOENT')
      throw new GupperError('config', 'there is no mkfifo in PATH', {
        hint: 'install coreutils',
        cause: error,
      })
    const why = (error as { stderr?: string }).stderr?.trim() ?? String(error)
    throw new GupperError(/No space/.test(why) ? 'no-space' : 'cannot-write', why, { cause: error })
  }
}
