import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { onTestFinished } from 'vitest'
import type { Observer } from '../../src/package/observer.ts'
import { silent } from '../../src/package/observer.ts'
import type { PackageRecord } from '../../src/package/record.ts'

const source = join(import.meta.dirname, '..', '..', 'src')

/** A directory of the test's own, gone when it ends. */
export function makeState(): string {
  const directory = mkdtempSync(join(tmpdir(), 'gupper-state-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A record; with a number also a digest, which differs from others in its first half. */
export function makeRecord(version: string, digit?: number, more: object = {}): PackageRecord {
  const digest =
    digit === undefined ? {} : { digest: `sha256:${digit.toString(16).padStart(32, '0').padEnd(64, '0')}` }
  return {
    ...{ schema: 1, name: 'app', version, os: 'linux', arch: 'amd64', file: `app-${version}-linux-amd64` },
    ...digest,
    ...more,
  }
}

/** Keeps what people are warned of. */
export function makeListener(): Observer & { warnings: string[]; hints: string[] } {
  const warnings: string[] = []
  const hints: string[] = []
  return {
    ...silent,
    warnings,
    hints,
    warn: (message, fields) => {
      warnings.push(message)
      hints.push(typeof fields?.hint === 'string' ? fields.hint : '')
    },
  }
}

/** Runs a script in a process of its own; `$` stands for src. Returns what it wrote. */
export async function runScript(script: string, ...args: string[]): Promise<string> {
  const text = script.replaceAll("'$/", `'${source}/`)
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', text, ...args],
    { timeout: 60_000 },
  )
  return stdout
}
