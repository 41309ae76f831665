import { describe, expect, it } from 'vitest'
import {
  allowed,
  circles,
  readSource,
  readSources,
  undocumented,
  wrongImports,
  wrongPackages,
  wrongProcess,
  type Source,
} from './architecture-rules.ts'

const longest = 250
const lengthOf = ({ text }: Source): number => text.replace(/\n$/, '').split('\n').length

describe('the architecture', () => {
  const sources = readSources()

  it('is walked whole: every import is read, and leads to a file or a package that exists', () => {
    expect(sources.length).toBeGreaterThan(50)
    const known = new Set(sources.map(({ path }) => path))
    const lost = sources.flatMap(({ path, imports }) =>
      imports
        .filter(({ inside, target }) => inside && target.endsWith('.ts') && !known.has(target))
        .map(({ target }) => `${path} imports ${target}`),
    )
    expect(lost).toEqual([])
  })

  it('has a place for every folder of src', () => {
    const homeless = sources.filter(({ path }) => allowed(path) === undefined)
    expect(homeless.map(({ path }) => path)).toEqual([])
  })

  it('lets imports run one way', () => {
    expect(sources.flatMap(wrongImports)).toEqual([])
  })

  it('has no circle among its files, but for types', () => {
    expect(circles(sources)).toEqual([])
  })

  it('touches the process in cli.ts only', () => {
    expect(sources.flatMap(wrongProcess)).toEqual([])
  })

  it('knows each of some packages in one place only', () => {
    expect(sources.flatMap(wrongPackages)).toEqual([])
  })

  it(`keeps every file within ${longest} lines`, () => {
    const long = sources.filter((source) => lengthOf(source) > longest)
    expect(long.map((source) => `${source.path}: ${lengthOf(source)}`)).toEqual([])
  })

  it('says of every exported function what it does', () => {
    expect(sources.flatMap(undocumented)).toEqual([])
  })
})

describe('the test of the architecture', () => {
  const check = <T>(rule: (source: Source) => T, path: string, text: string): T =>
    rule(readSource(path, text))

  it('sees imports of every kind', () => {
    const text = `
      import a from './a.ts'
      import type { B } from '../store/b.ts'
      import './c.ts'
      export * from './d.ts'
      const e = await import('../server/e.ts')
      let f: import('./f.ts').F
      const g = import.meta.resolve('./g.ts')
      // import './h.ts'
      const i = "import './i.ts'"
    `
    expect(readSource('net/x.ts', text).imports.map(({ target }) => target)).toEqual([
      ...['net/a.ts', 'store/b.ts', 'net/c.ts', 'net/d.ts', 'server/e.ts', 'net/f.ts', 'net/g.ts'],
    ])
  })

  it.each([
    ['net/x.ts', "import '../store/y.ts'"],
    ['store/x.ts', "import '../sources/y.ts'"],
    ['sources/x.ts', "import type { Y } from '../server/y.ts'"],
    ['server/x.ts', "import '../activations/y.ts'"],
    ['activations/x.ts', "import '../server/y.ts'"],
    ['package/x.ts', "import '../terminal/log.ts'"],
    ['version.ts', "import './package/version.ts'"],
    ['store/x.ts', "await import('../terminal/log.ts')"],
    ['terminal/x.ts', "import '../store/y.ts'"],
    ['errors.ts', "import './package/record.ts'"],
    ['store/x.ts', "import '../update.ts'"],
    ['update.ts', "import './commands/index.ts'"],
    ['index.ts', "export * from './commands/list.ts'"],
    ['index.ts', "export * from './terminal/log.ts'"],
    ['trust/x.ts', "import '../cli.ts'"],
    ['net/x.ts', "import '../../scripts/build.ts'"],
    ['unknown/x.ts', "import '../errors.ts'"],
    ['store/x.ts', 'await import(`../${name}.ts`)'],
  ])('finds fault in %s: %s', (path, text) => {
    expect(check(wrongImports, path, text)).toHaveLength(1)
  })

  it.each([
    ['commands/x.ts', "import '../terminal/log.ts'; import '../update.ts'; import '../server/y.ts'"],
    ['sources/x.ts', "import '../store/y.ts'; import '../net/y.ts'; import './z.ts'; import '../errors.ts'"],
    ['cli.ts', "import './commands/index.ts'; import './version.ts'"],
    ['terminal/x.ts', "import '../package/observer.ts'"],
  ])('finds no fault in %s: %s', (path, text) => {
    expect(check(wrongImports, path, text)).toEqual([])
  })

  it.each([
    ...[
      'process.exit(1)',
      'process.env.HOME',
      'process.argv',
      "process.on('exit', f)",
      'process.stdout.write("")',
    ],
    ...[
      'const { env } = process',
      'f(process)',
      'globalThis.process.exit(1)',
      "process['exit'](1)",
      'process.cwd()',
    ],
    ...[
      "import { exit } from 'node:process'",
      "import process from 'node:process'",
      "import * as p from 'process'",
    ],
  ])('finds fault in a touch of the process: %s', (text) => {
    expect(check(wrongProcess, 'store/x.ts', text)).not.toEqual([])
    expect(check(wrongProcess, 'cli.ts', text)).toEqual([])
  })

  it.each([
    ...['process.platform', 'process.pid', "import { getuid } from 'node:process'", 'cli.process(argv)'],
    ...[
      'const x = { process: 1 }',
      '// process.exit()',
      '"process.exit()"',
      'interface A { process: string }',
    ],
  ])('finds no fault in %s', (text) => {
    expect(check(wrongProcess, 'store/x.ts', text)).toEqual([])
  })

  it('finds packages in the wrong place', () => {
    expect(check(wrongPackages, 'net/x.ts', "import p from 'semver/functions/parse.js'")).toHaveLength(1)
    expect(check(wrongPackages, 'sources/x.ts', "const f = await import('node-fetch')")).toHaveLength(1)
    expect(check(wrongPackages, 'cli.ts', "import { Cli } from 'clipanion'")).toHaveLength(1)
    expect(check(wrongPackages, 'net/x.ts', "import f from 'node-fetch'; import './semver'")).toEqual([])
  })

  it('finds exported functions without a word', () => {
    const text = `
      export function a() {}
      /** Says what it does. */
      export function b() {}
      export const c = () => 1
      /** Says what it does. */
      export const d = function () {}
      // Says it, but not to readers of the library.
      export async function* e() {}
      function f() {}
      function g() {}
      export { g }
      /***/
      export function h() {}
    `
    const names = ['a', 'c', 'e', 'g', 'h']
    expect(check(undocumented, 'x.ts', text)).toEqual(names.map((name) => `x.ts: ${name}`))
  })

  it('finds circles', () => {
    const a = readSource('a.ts', "import './b.ts'")
    const b = (text: string) => readSource('b.ts', text)
    expect(circles([a, b("import './a.ts'")])).toEqual(['a.ts → b.ts → a.ts'])
    expect(circles([a, b("import type { A } from './a.ts'")])).toEqual([])
  })
})
