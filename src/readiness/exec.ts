import { runGroup } from '../store/process-group.ts'
import type { Candidate, Check } from './check.ts'
import { asking, type Question } from './patience.ts'

const patience = 5000 // ms a try
const mostTail = 4096 // bytes

/**
 * `exec:CMD`: a shell line exits with 0; `{version}` stands for the version. It gets GUPPER_PID, GUPPER_VERSION, and PORT and HOST of the address; nothing
 * of its process group outlives it.
 */
export function checkExec(text: string, command: string): Check {
  const question: Question = async (candidate, signal) => {
    let tail = Buffer.alloc(0)
    const line = command.replaceAll('{version}', candidate.version)
    const ended = await runGroup('/bin/sh', ['-c', line], {
      deadline: patience,
      env: environmentOf(candidate),
      cwd: candidate.cwd,
      signal,
      onOutput: (chunk) => {
        tail = Buffer.concat([tail, chunk]).subarray(-mostTail)
        return true
      },
    })
    if (ended.code === 0) return undefined
    const how =
      ended.failed !== undefined
        ? `could not be started (${ended.failed})`
        : ended.killed !== undefined
          ? `did not end within ${patience / 1000} s`
          : `exited with ${ended.code ?? ended.signal ?? 'no status'}`
    const said = tail.toString().trim().split('\n').at(-1) ?? ''
    return `\`${line}\` ${how}${said === '' ? '' : `: ${said.slice(0, 200)}`}`
  }
  return { text, ambiguous: true, prepare: () => Promise.resolve(asking(question)) }
}

function environmentOf({ pid, version, address, env }: Candidate): Record<string, string | undefined> {
  const where = address && 'port' in address ? { PORT: String(address.port), HOST: address.host } : {}
  return { ...env, GUPPER_PID: String(pid), GUPPER_VERSION: version, ...where }
}
