import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { GupperError } from '../errors.ts'

// Windows does not know the flag: undefined counts as 0 here.
const flags = constants.O_RDONLY | constants.O_NONBLOCK

/**
 * Reads a file whole that lies where others may write. A pipe would keep us waiting for ever, and no signal would end it.
 * @throws GupperError `cannot-read` (69) for what is not a file; the system's error
 */
export async function readRegular(path: string): Promise<Buffer> {
  await using file = await open(path, flags)
  if ((await file.stat()).isFile()) return await file.readFile()
  throw new GupperError('cannot-read', `cannot read ${path}: it is not a file`)
}
