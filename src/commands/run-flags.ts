import { basename, resolve } from 'node:path'
import { Option } from 'clipanion'
import { GupperError } from '../errors.ts'
import { parseBytes } from '../package/bytes.ts'
import { parseCount, parseDuration } from '../package/duration.ts'
import type { LogLimits } from '../logs/log.ts'
import { parseListen } from '../supervisor/programs/listening-socket.ts'
import type { RestartPolicy, Settings } from '../supervisor/settings.ts'
import { GupperCommand } from './command.ts'
import { FetchFlags, RequireFlags, TokenFlags, TrustFlags, VerifyFlags } from './step-flags.ts'

/** The flags of `run`: where the program is, how it goes live, when it is ready, how long it may take. */
export abstract class RunFlags extends VerifyFlags(
  FetchFlags(RequireFlags(TrustFlags(TokenFlags(GupperCommand)))),
) {
  name = Option.String('--name', { description: 'NAME: the service (default: the last part of --to)' })
  to = Option.String('--to', { description: 'PATH: where its program is installed' })
  web = Option.String('--web', {
    description: 'ADDR: a page for people, /healthz and /metrics, e.g. 127.0.0.1:9000',
  })
  webUrl = Option.String('--web-url', {
    description: 'URL: the address of the page that people know, when they come through a proxy',
  })
  via = Option.String('--via', {
    description:
      'WAY: how a new version goes live: socket, proxy, reuseport, handover, restart, signal:NAME or exec:CMD ' +
      '(default: proxy where --listen is given, else restart)',
  })
  listen = Option.String('--listen', {
    description: 'ADDR: where the service is reached: 8080, 127.0.0.1:8080, [::1]:8080, unix:/run/app.sock',
  })
  ready = Option.String('--ready', {
    description:
      'CHECK: when a program is ready: http:/PATH[=TEXT], tcp, fd[:N], notify, exec:CMD, log:REGEX; {version} is its version ' +
      '(default: tcp where gupper knows its address, else that it runs)',
  })
  readyWithin = Option.String('--ready-within', '30s', { description: 'TIME: it has to be ready by then' })
  healthyFor = Option.String('--healthy-for', '1s', {
    description: 'TIME: and to stay so for this long before it goes live',
  })
  progress = Option.String('--progress', '60s', {
    description: 'TIME: all that, from its start to the switch, in no more than this',
  })
  drain = Option.String('--drain', '30s', {
    description: 'TIME: what the old program has begun may take so long to end',
  })
  grace = Option.String('--grace', '10s', {
    description: 'TIME: a program that was told to end (SIGTERM) is killed after this',
  })
  hold = Option.String('--hold', '10s', {
    description: 'TIME: the proxy holds requests so long while nobody answers',
  })
  restart = Option.String('--restart', 'always', {
    description: 'WHEN: start a program again that has ended: always, failure, never',
  })
  memory = Option.String('--memory', {
    description: 'SIZE: the most that the program and its children may have in RAM',
  })
  openFiles = Option.String('--open-files', { description: 'N: the most files that it may have open' })
  logSize = Option.String('--log-size', '10M', { description: 'SIZE: of one file of its log' })
  logKeep = Option.String('--log-keep', '5', { description: 'N: how many files of its log are kept' })
  sources = Option.Array('--source', {
    description: 'SOURCE: follow it: watch, fetch, verify, install and go live by itself; may be given again',
  })
  probe = Option.Array('--probe', {
    description: 'DIR: follow the executables in this directory, which are asked for their version',
  })
  packages = Option.Array('--package', {
    description: 'NAME: of the packages of --source, only those of this name',
  })
  channel = Option.String('--channel', {
    description: 'CHANNEL: let in pre-releases of this channel, e.g. beta',
  })
  range = Option.String('--range', { description: 'RANGE: only versions in this range, e.g. "^1.9"' })
  minAge = Option.String('--min-age', {
    description: 'TIME: only builds that this machine first saw at least so long ago, e.g. 24h',
  })
  every = Option.String('--every', '30s', {
    description: 'TIME: how often to ask a source that does not push',
  })
  keep = Option.String('--keep', '3', { description: 'N: how many versions to keep' })
  check = Option.String('--check', {
    description:
      'CMD: a shell line that must succeed before a new version is installed; {} is the new program',
  })
  pick = Option.String('--pick', { description: 'FILE: the one file of an archive to install' })

  /** Reads the flags. @throws GupperError `usage` (64) */
  protected settings(): Settings {
    const { cwd, command = [] } = this.context
    const { to, restart, memory, openFiles, listen } = this
    if (to === undefined || to === '')
      throw new GupperError('usage', 'no program is given', {
        hint: 'say where it is: gupper run --to ./app',
      })
    if (to.endsWith('/'))
      throw new GupperError('usage', `${to} is a directory`, { hint: 'name the program: --to DIR/NAME' })
    if (!['always', 'failure', 'never'].includes(restart))
      throw new GupperError('usage', `--restart is always, failure or never, not "${restart}"`)
    const target = resolve(cwd, to)
    const via = this.via ?? (listen === undefined ? 'restart' : 'proxy')
    const external = via.startsWith('exec:') && this.context.command === undefined
    return {
      name: this.name ?? basename(target),
      target,
      command: external ? [] : command.length > 0 ? command : [target],
      listen: listen === undefined ? undefined : parseListen(listen, '--listen'),
      via,
      ready: this.ready,
      readyWithin: parseDuration(this.readyWithin, '--ready-within'),
      healthyFor: parseDuration(this.healthyFor, '--healthy-for'),
      progress: parseDuration(this.progress, '--progress'),
      drain: parseDuration(this.drain, '--drain'),
      grace: parseDuration(this.grace, '--grace'),
      hold: parseDuration(this.hold, '--hold'),
      restart: restart as RestartPolicy,
      memory: memory === undefined ? undefined : parseBytes(memory, '--memory'),
      openFiles: openFiles === undefined ? undefined : parseCount(openFiles, '--open-files'),
      sources: this.sources ?? [],
    }
  }

  /** How large the log may grow. */
  protected logLimits(): LogLimits {
    return { size: parseBytes(this.logSize, '--log-size'), keep: parseCount(this.logKeep, '--log-keep') }
  }
}
