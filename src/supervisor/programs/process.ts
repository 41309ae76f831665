import { readdir, readFile } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { kill, pid as own } from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'

/** A process, told apart from any other that gets its number later. */
export interface ProcessIdentity {
  pid: number
  /** The boot of the machine and the tick at which it started. */
  started: string
}

/**
 * Says which process has a number now (proc(5), field 22 of `stat`).
 * @returns undefined when there is none, or only its exit status is left (a zombie)
 */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = read(`/proc/${pid}/stat`)
  // The name, in parentheses, may hold anything.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state] = fields ?? []
  const ticks = fields?.[19]
  if (ticks === undefined || state === 'Z' || state === 'X') return undefined
  boot ??= read('/proc/sys/kernel/random/boot_id')?.trim() ?? ''
  return { pid, started: `${boot}/${ticks}` }
}

let boot: string | undefined

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** Whether that very process is still there. */
export function isAlive({ pid, started }: ProcessIdentity): boolean {
  return identify(pid)?.started === started
}

/** Sends a signal to a process, or with a negative number to a group; false when nobody is there. */
export function signalTo(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    kill(pid, signal)
    return true
  } catch {
    return false
  }
}

/**
 * Finds the processes that descend from a program, wherever they have put themselves: the environment that they were
 * started with holds its mark. Only those whose environment we may read (our own user's; all as root).
 * @param mark `NAME=VALUE`
 */
export async function findMarked(mark: string): Promise<number[]> {
  return findProcesses((_, environment) => environment.includes(`\0${mark}\0`))
}

/**
 * Finds processes, other than this one, by what they were started with.
 * @param is gets the words of the command and the variables of the environment, a NUL before and after each; bytes, as latin1
 */
export async function findProcesses(
  is: (command: string, environment: string) => boolean,
): Promise<number[]> {
  const numbers = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number)
  const found = await Promise.all(
    numbers.map(async (pid) => {
      if (pid === own) return undefined
      // In this order: what becomes a marked program in between is seen by the one or by the other.
      const command = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')
      const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')
      return is(`\0${command}`, `\0${environment}\0`) ? pid : undefined
    }),
  )
  return found.filter((pid) => pid !== undefined && identify(pid) !== undefined) as number[]
}

/**
 * Kills processes, and what they start meanwhile, until none is found any more.
 * @param find finds them
 * @param patience ms that the kernel may take to end them
 * @returns whether none is left
 */
export async function killAll(find: () => Promise<readonly number[]>, patience = 5000): Promise<boolean> {
  const deadline = performance.now() + patience
  for (let left = await find(); left.length > 0; left = await find()) {
    for (const pid of left) signalTo(pid, 'SIGKILL')
    if (performance.now() > deadline) return false
    await delay(5)
  }
  return true
}

/** Memory that the processes of a group have in RAM, bytes. */
export async function measureGroup(group: number): Promise<number> {
  const numbers = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))
  let pages = 0
  for (const name of numbers) {
    const stat = read(`/proc/${name}/stat`)
    const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (Number(fields?.[2]) === group) pages += Number(fields?.[21])
  }
  return pages * pageSize
}

const pageSize = 4096

/**
 * Kills a process with its group, where it is still that very process: whatever has its number now is somebody else's else.
 * It is found by its number, for a program need not keep the environment that has its mark.
 */
export async function killWithGroup(identity: ProcessIdentity): Promise<void> {
  if (!isAlive(identity)) return
  const { pid } = identity
  await killAll(async () => [...new Set([...(isAlive(identity) ? [pid] : []), ...(await findGroup(pid))])])
}

/** The processes of a group that are alive; zombies, which nobody may ever wait for, are not. */
export async function findGroup(group: number): Promise<number[]> {
  if (!signalTo(-group, 0)) return []
  const numbers = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number)
  return numbers.filter((pid) => {
    const stat = read(`/proc/${pid}/stat`)
    const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
    return Number(fields?.[2]) === group && fields?.[0] !== 'Z'
  })
}
