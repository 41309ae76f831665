// Builds dist/: one split ESM bundle (each verb a lazy chunk), and the library's types.
import { execFile } from 'node:child_process'
import { rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'

const root = path.dirname(import.meta.dirname)
const fresh = path.join(root, `dist.${process.pid}`)
const target = path.join(root, 'dist')
const old = path.join(root, `dist.${process.pid}.old`)

try {
  const types = promisify(execFile)(process.execPath, [
    path.join(root, 'node_modules/typescript/bin/tsc'),
    ...['--project', path.join(root, 'tsconfig.build.json'), '--outDir', path.join(fresh, 'types')],
  ])
  await build({
    absWorkingDir: root,
    entryPoints: { cli: 'src/cli.ts', index: 'src/index.ts' },
    outdir: fresh,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    // Loaded lazily and CommonJS: bundled, they would lose the names of their exports.
    external: ['prom-client', 'yauzl', 'yazl'],
    minifySyntax: true,
    minifyWhitespace: true,
    // CommonJS dependencies still call require() for Node's own modules.
    banner: { js: `import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);` },
    chunkNames: 'chunks/[name]-[hash]',
    logLevel: 'warning',
    legalComments: 'linked',
  })
  await types
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
