import { spawnSync } from 'node:child_process'

/** Whether a program is on this machine; tests that need one skip visibly where it is not. */
export function has(tool: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', tool]).status === 0
}
