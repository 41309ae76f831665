// Builds dist/: the program and the library, split as build-bundles.ts says, and the types.
import { rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { execa } from 'execa'
import { buildLibrary, buildProgram } from './build-bundles.ts'

const root = path.dirname(import.meta.dirname)
const fresh = path.join(root, `dist.${process.pid}`)
const target = path.join(root, 'dist')
const old = path.join(root, `dist.${process.pid}.old`)

try {
  const types = execa(process.execPath, [
    path.join(root, 'node_modules/typescript/bin/tsc'),
    ...['--project', path.join(root, 'tsconfig.build.json'), '--outDir', path.join(fresh, 'types')],
  ])
  await Promise.all([types, buildProgram(root, fresh), buildLibrary(root, fresh)])
  await rename(target, old).catch(() => undefined)
  await rename(fresh, target)
} catch (error) {
  const { stdout } = error as { stdout?: string }
  process.stderr.write(`${stdout ?? (error instanceof Error ? error.message : String(error))}\n`)
  process.exitCode = 1
} finally {
  await rm(old, { recursive: true, force: true })
  await rm(fresh, { recursive: true, force: true })
}
