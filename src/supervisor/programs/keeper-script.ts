/**
 * The keeper: a shell of a megabyte that holds the listening socket (its fd 3) and starts the programs, so that both
 * outlive a supervisor that was killed, and the next one finds them. It reads commands, one a line: `start ID`, `quit`.
 * Each program has a waiter, which tells how it ended, and holds what it wrote last until somebody has read it.
 */
export const keeperScript = `
cd "$1" && command -v setsid >/dev/null || exit 1
exec 3<&0 0</dev/null 4<>commands 5<>events
echo "keeper $$" >&5
while read -r verb id <&4; do
  case $verb in
    start) setsid -f /bin/sh -c "$2" waiter "$id" 4<&- ;;
    ping) echo "pong $id" >&5 ;;
    quit) exit 0 ;;
  esac
done
`

/** What a waiter does. */
export const waiterScript = `
exec 6<>"$1/out" 7<>"$1/err" 8<>"$1/read"
setsid /bin/sh "$1/launch" 6<&- 7<&- 8<&-
status=$?
exec 3<&-
echo "ended $1 $status" >&5
exec 5<&-
read -r _ <&8
`

/** What the command of a keeper holds, and no other: words with a NUL before and after each. */
export const wordsOfKeeper = (directory: string): string =>
  `\0gupper-keeper\0${Buffer.from(directory).toString('latin1')}\0`

/** What the command of a program's waiter holds. */
export const wordsOfWaiter = (id: string): string => `\0waiter\0${id}\0`

/** What the command of a shell holds that is about to become a program. */
export const wordsOfLaunch = (id: string): string => `\0${id}/launch\0`

/** What a program is started with. */
export interface LaunchPlan {
  id: string
  cwd: string
  /** The program and its arguments. */
  command: readonly string[]
  env: Readonly<Record<string, string | undefined>>
  /** Whether it gets the listening socket, as systemd gives it (sd_listen_fds(3)). */
  socket: boolean
  /** Named pipes that it gets, by file descriptor. */
  pipes: Readonly<Record<number, string>>
  /** Most open files, if they are limited. */
  openFiles?: number | undefined
}

/**
 * Writes the shell script that becomes a program: its PID is the script's, which is what LISTEN_PID has to say.
 * @returns the script, to be run in the keeper's directory
 */
export function writeLaunch(plan: LaunchPlan): string {
  const { id, cwd, command, socket, pipes, openFiles } = plan
  const env: Record<string, string | undefined> = {
    ...plan.env,
    ...(socket && { LISTEN_FDS: '1', LISTEN_FDNAMES: 'gupper' }),
  }
  const given = Object.entries(env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && entry[0] !== 'LISTEN_PID' && !entry[0].includes('='),
  )
  const exports = given.filter(([name]) => isExported(name)).map(([name, value]) => `${name}=${quote(value)}`)
  if (socket) exports.push('LISTEN_PID="$$"')
  const rest = given.filter(([name]) => !isExported(name)).map(([name, value]) => quote(`${name}=${value}`))
  const unset = [...ofShell, ...(env.PATH === undefined ? ['PATH'] : [])].map((name) => `-u ${name}`)
  const others = Object.entries(pipes).map(([fd, path]) => `${fd}<>${quote(path)}`)
  if (!socket && pipes[3] === undefined) others.push('3<&-')
  // A name with = would be one more variable.
  const start = command[0]?.includes('=') === true ? [`sh -c 'exec "$@"' sh`] : []
  return [
    `exec </dev/null 1<>${id}/out 2<>${id}/err`,
    // Nothing of the keeper's own environment.
    `[ "$1" = clean ] || exec env -i "PATH=$PATH" /bin/sh "$0" clean`,
    `echo "started ${id} $$" >&5`,
    ...(openFiles === undefined ? [] : [`ulimit -n ${openFiles} || exit 126`]),
    `cd ${quote(cwd)} || exit 126`,
    // First the keeper's own descriptors, so that a program may have one of their numbers.
    `exec 4<&- 5<&- 6<&- 7<&- 8<&-`,
    // Read as a whole before any of it is done: a variable may change how a shell reads on. Its words about them are not the
    // program's, and env is found by the keeper's PATH.
    `{ set -- "$(command -v env)"`,
    ...exports.map((variable) => `export ${variable} 2>/dev/null`),
    `exec ${others.join(' ')} "$1" ${[...unset, '--', ...rest, ...start, ...command.map(quote)].join(' ')}; }`,
    '',
  ].join('\n')
}

// What shells put into an environment by themselves.
const ofShell = ['PWD', 'OLDPWD', 'SHLVL', '_']

// What a shell keeps for itself, or does not let anybody set.
const special =
  /^(PWD|OLDPWD|SHLVL|_|IFS|UID|EUID|PPID|OPTIND|LINENO|S?RANDOM|SECONDS|GROUPS|DIRSTACK|FUNCNAME|HISTCMD|EPOCH\w*|BASH\w*|SHELLOPTS|COMP_\w*|POSIXLY_CORRECT)$/

// The script is its user's alone, while anybody may read the arguments of a process: those are for what no shell can export.
const isExported = (name: string): boolean => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !special.test(name)

/** A word as the shell takes it, whatever is in it. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}
