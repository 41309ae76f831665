import { Option } from 'clipanion'
import { GupperError } from '../errors.ts'
import { readToken } from '../net/token.ts'
import { parseCount, parseDuration } from '../package/duration.ts'
import type { FetchOptions } from '../sources/fetch.ts'
import type { Trust } from '../sources/trust.ts'
import type { InstallOptions } from '../store/install.ts'
import { parseRequire } from '../trust/policy.ts'
import type { VerifyOptions } from '../trust/verify.ts'
import type { GupperCommand } from './command.ts'
import { cacheHome, stateHome } from './homes.ts'

// Flags that a step and `update` share: each set is a class to build on, so that clipanion finds them on the command.
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- what TypeScript asks of a mixin
type Base<T extends GupperCommand = GupperCommand> = abstract new (...args: any[]) => T

interface HasToken {
  tokenPath(): string | undefined
}
interface HasRequire {
  require: string | undefined
}

/** The flag for servers that want a token. */
export function TokenFlags<B extends Base>(Base: B) {
  abstract class WithToken extends Base {
    tokenFile = Option.String('--token-file', {
      description: 'FILE: the token for servers that want one (or the variable GUPPER_TOKEN_FILE)',
    })

    /** The token file that was given, if any. */
    tokenPath(): string | undefined {
      return this.tokenFile ?? this.context.env.GUPPER_TOKEN_FILE
    }
  }
  return WithToken
}

/** The flag for signed repositories. */
export function TrustFlags<B extends Base<GupperCommand & HasToken>>(Base: B) {
  abstract class WithTrust extends Base {
    trust = Option.String('--trust', {
      description:
        'ROOT.json: the root of trust of a signed repository, which must vouch for everything (or the variable GUPPER_TRUST)',
    })

    /** The file of the root of trust that was given, if any. */
    protected trustedRoot(): string | undefined {
      if (this.trust === '')
        throw new GupperError('usage', '--trust is empty, which would trust everything', {
          hint: 'leave it out, or give a root.json',
        })
      const { GUPPER_TRUST: root } = this.context.env
      return this.trust ?? (root === '' ? undefined : root)
    }

    /** The root of trust that was given, if any. @throws GupperError `config` (78) where it is none */
    protected async openTrust(): Promise<Trust | undefined> {
      const { cwd, env, signal } = this.context
      const root = this.trustedRoot()
      if (root === undefined) return undefined
      const { openTrust } = await import('../sources/trust.ts')
      const { observer } = this
      return openTrust({
        root,
        home: stateHome(env),
        cwd,
        env,
        signal,
        observer,
        tokenFile: this.tokenPath(),
      })
    }
  }
  return WithTrust
}

/** The flags of `fetch`. */
export function FetchFlags<B extends Base<GupperCommand & HasToken>>(Base: B) {
  abstract class WithFetch extends Base {
    into = Option.String('--into', {
      description: 'DIR: put the packages there too, under their file names',
    })
    jobs = Option.String('--jobs', '4', { description: 'N: how many to download at once' })

    /** What {@link fetchPackages} needs. */
    protected async fetchOptions(): Promise<FetchOptions> {
      const { cwd, env, signal } = this.context
      const tokenFile = this.tokenPath()
      if (this.into === '') throw new GupperError('usage', '--into is empty', { hint: 'name a directory' })
      return {
        cwd,
        env,
        signal,
        observer: this.observer,
        into: this.into,
        jobs: parseCount(this.jobs, '--jobs'),
        cacheDir: cacheHome(env),
        token: tokenFile === undefined ? undefined : await readToken(tokenFile),
      }
    }
  }
  return WithFetch
}

/** The flag of every verb that refuses what is not proven. */
export function RequireFlags<B extends Base>(Base: B) {
  abstract class WithRequire extends Base {
    require = Option.String('--require', {
      description:
        'PROOFS: the proofs that must all stand: digest, checksums, minisign, tuf; some of several: ' +
        '2of:tuf,minisign,checksums; or none (default: any one)',
    })
  }
  return WithRequire
}

/** The flags of `verify`. */
export function VerifyFlags<B extends Base<GupperCommand & HasToken & HasRequire>>(Base: B) {
  abstract class WithVerify extends Base {
    checksums = Option.String('--checksums', {
      description: 'FILE|URL: a checksum file (SHA-256, SHA-512) that must name each package',
    })
    minisign = Option.String('--minisign', {
      description: 'KEY|FILE: the minisign public key that must have signed each package',
    })
    signature = Option.String('--signature', {
      description: 'FILE|URL: the signature, where it is not beside the package',
    })

    /** What {@link verify} needs. */
    protected verifyOptions(): VerifyOptions {
      const { env, signal } = this.context
      return {
        checksums: this.checksums,
        minisign: this.minisign,
        signature: this.signature,
        require: this.require === undefined ? undefined : parseRequire(this.require),
        tokenFile: this.tokenPath(),
        env,
        signal,
        observer: this.observer,
      }
    }
  }
  return WithVerify
}

/** The flags of `install`. */
export function InstallFlags<B extends Base<GupperCommand & HasRequire>>(Base: B) {
  abstract class WithInstall extends Base {
    to = Option.String('--to', { description: 'PATH: the program, or a directory with a slash at its end' })
    keep = Option.String('--keep', '3', {
      description: 'N: how many versions to keep, the new one included; the one before it always is',
    })
    check = Option.String('--check', {
      description:
        'CMD: a shell line that must succeed first; {} or $GUPPER_PROGRAM is the new program, or its tree',
    })
    checkDeadline = Option.String('--check-deadline', '30s', {
      description: 'TIME: how long the check may take',
    })
    pick = Option.String('--pick', { description: 'FILE: the one file of an archive to install' })
    allowDowngrade = Option.Boolean('--allow-downgrade', false, {
      description: 'also when something newer stands there',
    })
    again = Option.Boolean('--again', false, {
      description: 'also when it was taken back, failed its check, is older, or stands there but damaged',
    })
    dryRun = Option.Boolean('--dry-run', false, { description: 'only say what would be done' })
    wait = Option.String('--wait', '30s', { description: 'TIME: how long to wait for another gupper there' })

    /** What {@link install} needs. @throws GupperError `usage` without a target */
    protected installOptions(): InstallOptions {
      const { to, check, pick, again, allowDowngrade, dryRun, observer } = this
      const { cwd, env, signal } = this.context
      if (to === undefined || to === '')
        throw new GupperError('usage', 'no target is given', { hint: 'say where: --to PATH' })
      if (check === '')
        throw new GupperError('usage', '--check is empty, which would check nothing', {
          hint: 'leave it out, or give a command',
        })
      const keep = parseCount(this.keep, '--keep')
      const require = this.require === undefined ? undefined : parseRequire(this.require)
      const checkDeadline = parseDuration(this.checkDeadline, '--check-deadline')
      const wait = parseDuration(this.wait, '--wait')
      const how = { to, keep, check, checkDeadline, pick, require, again, allowDowngrade, dryRun, wait }
      return { ...how, cwd, env, signal, observer }
    }
  }
  return WithInstall
}
