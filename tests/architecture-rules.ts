import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import ts from 'typescript'

const root = join(import.meta.dirname, '..', 'src')

interface Import {
  /** "package/version.ts" inside src, "../package.json" outside of it, "semver/functions/parse.js" for a package. */
  target: string
  inside: boolean
}

/** One file of src. */
export interface Source {
  /** Within src, with slashes: "package/version.ts". */
  path: string
  text: string
  tree: ts.SourceFile
  imports: Import[]
}

/** Reads one file: its tree, and its imports of every kind. */
export function readSource(path: string, text: string): Source {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  // Static, re-exported, dynamic and type imports alike.
  const imports = specifiers(tree).map((specifier) => {
    const inside = specifier.startsWith('.')
    return { target: inside ? slashes(join(dirname(path), specifier)) : specifier, inside }
  })
  return { path, text, tree, imports }
}

function specifiers(tree: ts.SourceFile): string[] {
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
      if (node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier))
        found.push(node.moduleSpecifier.text)
    } else if (ts.isCallExpression(node) && isLoader(node.expression)) {
      const [first] = node.arguments
      found.push(first && ts.isStringLiteralLike(first) ? first.text : `../../computed: ${node.getText()}`)
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      if (ts.isStringLiteral(node.argument.literal)) found.push(node.argument.literal.text)
    }
    ts.forEachChild(node, visit)
  }
  visit(tree)
  return found
}

function isLoader(expression: ts.Expression): boolean {
  return (
    expression.kind === ts.SyntaxKind.ImportKeyword ||
    (ts.isIdentifier(expression) && expression.text === 'require') ||
    expression.getText() === 'import.meta.resolve'
  )
}

function slashes(path: string): string {
  return path.split(sep).join('/')
}

/** Reads all of src, by path. */
export function readSources(): Source[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readSource(slashes(file), readFileSync(join(root, file), 'utf8')))
    .sort((a, b) => (a.path < b.path ? -1 : 1))
}

const folderOf = (path: string): string => (path.includes('/') ? path.slice(0, path.indexOf('/')) : path)

// From the left to the right: a folder knows itself and those to its right. Peers do not know each other.
const order = [
  ['commands'],
  ['update.ts'],
  ['supervisor'],
  ['web', 'activations', 'repository', 'server'],
  ['proxy', 'readiness', 'logs'],
  ['sources'],
  ['store'],
  ['trust'],
  ['net'],
  ['package'],
  // Leaves: they know nothing of src.
  ['errors.ts', 'version.ts'],
]
const library = order.slice(1).flat()

/** The folders, or single files of src, that a file may import from; undefined for a folder that has no place. */
export function allowed(path: string): readonly string[] | undefined {
  const folder = folderOf(path)
  if (folder === 'cli.ts') return ['commands', 'errors.ts', 'package', 'terminal', 'version.ts']
  if (folder === 'index.ts') return library
  if (folder === 'terminal') return ['terminal', 'package', 'errors.ts']
  // What a program embeds that is replaced: it stands alone, and is small.
  if (folder === 'service.ts' || folder === 'service') return ['service', 'errors.ts']
  if (folder === 'version.ts') return ['../package.json']
  if (folder === 'commands') return [...order.flat(), 'terminal']
  const rank = order.findIndex((peers) => peers.includes(folder))
  return rank < 0 ? undefined : [folder, ...order.slice(rank + 1).flat()]
}

const outside = (target: string): string => (target.startsWith('../') ? target : folderOf(target))

/** Imports that go against the order. */
export function wrongImports({ path, imports }: Source): string[] {
  return imports
    .filter(({ inside, target }) => inside && !allowed(path)?.includes(outside(target)))
    .map(({ target }) => `${path} imports ${target}`)
}

// Who may import a package that only one place is to know.
const keepers: readonly [name: string, may: (path: string) => boolean][] = [
  ['semver', (path) => path === 'package/version.ts'],
  ['node-fetch', (path) => path.startsWith('net/')],
  ['clipanion', (path) => path.startsWith('commands/')],
  ['typanion', (path) => path.startsWith('commands/')],
]

/** Imports of packages that another place keeps. */
export function wrongPackages({ path, imports }: Source): string[] {
  return imports.flatMap(({ target, inside }) =>
    keepers
      .filter(([name, may]) => !inside && (target === name || target.startsWith(`${name}/`)) && !may(path))
      .map(([name]) => `${path} imports ${name}`),
  )
}

// What may be read of the process anywhere; everything else of it belongs to cli.ts.
const readable = new Set(['platform', 'arch', 'pid', 'ppid', 'getuid', 'execPath'])
// Sending a signal to a group that a file itself started.
const importable = new Set([...readable, 'kill'])

/** Uses of the process that belong to cli.ts. */
export function wrongProcess({ path, tree }: Source): string[] {
  // The program that embeds it is the one whose environment and signals these are.
  if (path === 'cli.ts' || path === 'service.ts' || folderOf(path) === 'service') return []
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      const module = ts.isStringLiteral(node.moduleSpecifier) ? node.moduleSpecifier.text : ''
      if (module === 'node:process' || module === 'process') {
        const named = node.importClause?.namedBindings
        if (!named || !ts.isNamedImports(named) || node.importClause.name)
          found.push(`${path} imports all of process`)
        else
          for (const { name, propertyName } of named.elements)
            if (!importable.has((propertyName ?? name).text))
              found.push(`${path} imports process.${name.text}`)
      }
      return
    }
    if (ts.isIdentifier(node) && node.text === 'process' && isValue(node)) {
      const parent = node.parent
      const member =
        ts.isPropertyAccessExpression(parent) && parent.expression === node ? parent.name.text : ''
      if (!readable.has(member)) found.push(`${path} touches ${parent.getText().slice(0, 40)}`)
    }
    ts.forEachChild(node, visit)
  }
  visit(tree)
  return found
}

// A name of something else is no use of the global: `cli.process`, `{ process: 1 }`, `process() {}`.
function isValue(node: ts.Identifier): boolean {
  const { parent } = node
  if (ts.isPropertyAccessExpression(parent) && parent.name === node)
    return parent.expression.getText() === 'globalThis'
  if (ts.isPropertyAssignment(parent) || ts.isPropertyDeclaration(parent)) return parent.initializer === node
  return !ts.isMethodDeclaration(parent) && !ts.isPropertySignature(parent) && !ts.isMethodSignature(parent)
}

const isExported = (node: ts.Node): boolean =>
  ts.canHaveModifiers(node) &&
  (ts.getModifiers(node) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)

function isDocumented(node: ts.Node): boolean {
  return ts
    .getJSDocCommentsAndTags(node)
    .some((doc) => ts.isJSDoc(doc) && doc.getText().length > '/** */'.length + 5)
}

/** Exported functions without a docstring. */
export function undocumented({ path, tree }: Source): string[] {
  const found: string[] = []
  const functions = new Map<string, ts.Node>()
  const exported: string[] = []
  for (const statement of tree.statements) {
    if (ts.isFunctionDeclaration(statement) && statement.name) {
      // Of overloads, the first one carries it for all.
      const { text: name } = statement.name
      if (!functions.has(name)) functions.set(name, statement)
      if (isExported(statement)) exported.push(name)
    } else if (ts.isVariableStatement(statement)) {
      for (const { name, initializer } of statement.declarationList.declarations) {
        if (!initializer || !ts.isIdentifier(name)) continue
        if (!ts.isArrowFunction(initializer) && !ts.isFunctionExpression(initializer)) continue
        functions.set(name.text, statement)
        if (isExported(statement)) exported.push(name.text)
      }
    } else if (ts.isExportDeclaration(statement) && !statement.moduleSpecifier && statement.exportClause) {
      if (ts.isNamedExports(statement.exportClause))
        for (const { name, propertyName } of statement.exportClause.elements)
          exported.push((propertyName ?? name).text)
    }
  }
  for (const name of new Set(exported)) {
    const node = functions.get(name)
    if (node && !isDocumented(node)) found.push(`${path}: ${name}`)
  }
  return found
}

/** Circles of imports that are there at run time: whoever is loaded first sees half a module. */
export function circles(sources: readonly Source[]): string[] {
  const edges = new Map(sources.map(({ path, tree }) => [path, runtimeImports(path, tree)]))
  const done = new Set<string>()
  const found: string[] = []
  const walk = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path)
    if (start >= 0) found.push([...trail.slice(start), path].join(' → '))
    if (start >= 0 || done.has(path)) return
    for (const next of edges.get(path) ?? []) walk(next, [...trail, path])
    done.add(path)
  }
  for (const path of edges.keys()) walk(path, [])
  return found
}

function runtimeImports(path: string, tree: ts.SourceFile): string[] {
  return tree.statements
    .filter((node) => ts.isImportDeclaration(node) || ts.isExportDeclaration(node))
    .filter((node) => (ts.isImportDeclaration(node) ? !isTypeOnly(node) : !node.isTypeOnly))
    .map((node) => node.moduleSpecifier)
    .filter((specifier) => specifier !== undefined)
    .filter(ts.isStringLiteral)
    .map(({ text }) => text)
    .filter((text) => text.startsWith('.'))
    .map((text) => slashes(relative('.', join(dirname(path), text))))
}

function isTypeOnly({ importClause }: ts.ImportDeclaration): boolean {
  return importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword
}
