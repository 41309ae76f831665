import { builtinModules } from 'node:module'
import path from 'node:path'
import { build, type BuildOptions, type Plugin } from 'esbuild'

const common: BuildOptions = {
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  // Loaded lazily and CommonJS: bundled, they would lose the names of their exports.
  external: ['prom-client', 'undici', 'yauzl', 'yazl'],
  minifySyntax: true,
  minifyWhitespace: true,
  logLevel: 'warning',
  legalComments: 'linked',
  // The same as ES modules, of which only what is used is taken.
  alias: { clipanion: 'clipanion/lib/advanced/index.mjs' },
}

/** What is large, knows nothing of us and is seldom needed: files of their own. */
const apart = ['node-fetch', 'croner', 'typanion']

/** The verbs that stand in pipes and scripts, where the time to start is most of the time they take; and run, which stays in memory. */
const quick = ['list', 'watch', 'select', 'fetch', 'verify', 'install', 'reexec', 'update', 'activate', 'run']

/**
 * Builds the program, split by when it is needed: cli.js answers --version, program.js has all verbs, each of which runs
 * only when it is called, and vendor/ is what few of them load. A file more costs a process about a millisecond, and so
 * does what it reads and does not run: each of the quick verbs is one whole file in verbs/ and shares nothing.
 */
export async function buildProgram(root: string, outdir: string): Promise<void> {
  const options: BuildOptions = { ...common, absWorkingDir: root, outdir }
  const whole = [late(), builtins()]
  await Promise.all([
    build({
      ...options,
      entryPoints: { cli: 'src/cli.ts' },
      plugins: [lend('.', 'cli.ts')],
    }),
    build({
      ...options,
      entryPoints: { program: 'src/commands/program.ts' },
      plugins: [lend('.'), ...whole],
    }),
    ...quick.map((verb) =>
      build({
        ...options,
        outdir: path.join(outdir, 'verbs'),
        entryPoints: { [verb]: 'src/cli.ts' },
        plugins: [lend('..', 'commands/index.ts', `./${verb}.ts`), ...whole],
      }),
    ),
    build({
      ...options,
      outdir: path.join(outdir, 'vendor'),
      entryPoints: Object.fromEntries(apart.map((name) => [name, name])),
      splitting: true,
      // For a Node that has no streams of the web: ours has.
      external: ['web-streams-polyfill/*'],
      plugins: [builtins(['node:https', 'node:zlib'])],
    }),
  ])
}

/** Builds the library: split, so that a program that embeds one step loads little of the others. */
export async function buildLibrary(root: string, outdir: string): Promise<void> {
  await build({
    ...common,
    // Where it fails, Node shows people the line.
    minifyWhitespace: false,
    absWorkingDir: root,
    outdir,
    entryPoints: { index: 'src/index.ts', service: 'src/service.ts' },
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    // CommonJS dependencies still call require() for Node's own modules.
    banner: { js: `import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);` },
  })
}

/**
 * Leaves out what is in another file: what stands apart, and what is in program.js.
 * @param dist the way from the file that is built to dist/
 * @param by the module whose dynamic imports are to be taken from program.js
 * @param but the one of them that is to stay
 */
function lend(dist: string, by?: string, but?: string): Plugin {
  return {
    name: 'lend',
    setup(bundle) {
      bundle.onResolve({ filter: new RegExp(`^(${apart.join('|')})$`) }, ({ path }) => ({
        path: `${dist}/vendor/${path}.js`,
        external: true,
      }))
      bundle.onResolve({ filter: /\.ts$/ }, ({ path, kind, importer }) =>
        kind === 'dynamic-import' && by !== undefined && importer.endsWith(by) && path !== but
          ? { path: `${dist}/program.js`, external: true }
          : undefined,
      )
    },
  }
}

/** Makes the functions and classes of semver, one a file, load what they need when they are called for the first time. */
function late(): Plugin {
  return {
    name: 'late',
    setup(bundle) {
      bundle.onResolve({ filter: /^semver\/(functions|classes)\// }, ({ path, namespace, resolveDir }) =>
        namespace === 'late' ? undefined : { path, namespace: 'late', pluginData: resolveDir },
      )
      bundle.onLoad({ filter: /.*/, namespace: 'late' }, ({ path, pluginData }) => ({
        // What a constructor returns is what `new` gives.
        contents: `export default function(...a){const f=require(${JSON.stringify(path)});return new.target?new f(...a):f(...a)}`,
        resolveDir: String(pluginData),
      }))
    },
  }
}

/** Loading these takes milliseconds, and most runs never call them: only these functions, and only when called. */
const seldom: Record<string, readonly string[]> = {
  'node:child_process': ['execFile', 'spawn'],
  'node:crypto': [
    'createHash',
    'createPrivateKey',
    'createPublicKey',
    'generateKeyPairSync',
    'randomBytes',
    'scrypt',
    'sign',
    'timingSafeEqual',
    'verify',
  ],
  'node:v8': ['setFlagsFromString'],
  'node:vm': ['runInNewContext'],
}

/**
 * Takes Node's own modules by process.getBuiltinModule, when the module that imports them runs. An import statement
 * would load all of them at start, and calls every getter of each: of node:http that is the whole of undici.
 * @param whole modules of which only the default is imported, to be loaded when something of it is asked for
 */
function builtins(whole: readonly string[] = []): Plugin {
  const own = new Set(builtinModules.map((name) => name.replace(/^node:/, '')))
  return {
    name: 'builtins',
    setup(bundle) {
      bundle.onResolve({ filter: /^(node:)?[a-z_/0-9]+$/ }, ({ path }) => {
        const name = path.replace(/^node:/, '')
        return own.has(name) ? { path: `node:${name}`, namespace: 'builtin', sideEffects: false } : undefined
      })
      bundle.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
        contents: whole.includes(path) ? asked(path) : standIn(path),
      }))
    },
  }
}

const loading = (name: string): string => `process.getBuiltinModule(${JSON.stringify(name)})`

const asked = (name: string): string => `export default new Proxy({},{get:(_,key)=>${loading(name)}[key]})`

function standIn(name: string): string {
  const load = loading(name)
  const functions = seldom[name]
  if (functions)
    return functions.map((called) => `export const ${called}=(...a)=>${load}.${called}(...a);`).join('\n')
  const all = Object.getOwnPropertyDescriptors(process.getBuiltinModule(name) ?? {})
  // Getters load what most programs do not need; `promises` of node:fs is there anyway.
  const wanted = (key: string): boolean => 'value' in (all[key] ?? {}) || key === 'promises'
  const names = Object.keys(all).filter(
    (key) => /^[A-Za-z]\w*$/.test(key) && key !== 'default' && wanted(key),
  )
  return `const m=${load};export default m;export{m as "module.exports"};export const{${names.join()}}=m`
}
