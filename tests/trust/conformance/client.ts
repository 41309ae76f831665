import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

// Any client that speaks the protocol of TUF's conformance suite can be held to these cases.
const program = process.env.TUF_CLIENT ?? join(import.meta.dirname, '../../../scripts/tuf-client')
const clock = pathToFileURL(join(import.meta.dirname, 'clock.ts')).href

export interface Options {
  /** Days from now that the client takes to be today. */
  day?: number
}

export interface Place {
  /** A directory of the client's own. */
  directory: string
  /** Where its programs keep their compiled form. */
  compiled: string
  metadataUrl: string
  targetUrl: string
  /** Whether these bytes were served under whatever name. */
  wasServed(bytes: Buffer): boolean
}

/** The client under test: every command is a process of its own. */
export class Client {
  readonly metadata: string
  readonly targets: string
  /** What the last command wrote to stderr. */
  complaint = ''
  readonly #place: Place
  readonly #roots: Buffer[] = []

  /** The directories `metadata` and `targets` of the place must be there. */
  constructor(place: Place) {
    this.#place = place
    this.metadata = join(place.directory, 'metadata')
    this.targets = join(place.directory, 'targets')
  }

  /** Begins with a root that is trusted from the start. Gives the exit status. */
  async init(root: Buffer): Promise<number> {
    const file = join(this.#place.directory, 'initial-root.json')
    await writeFile(file, root)
    this.#roots.push(root)
    return this.run(['--metadata-dir', this.metadata, 'init', file])
  }

  /** Updates the metadata. Gives the exit status. */
  async refresh(options?: Options): Promise<number> {
    const { metadataUrl } = this.#place
    return this.run(['--metadata-url', metadataUrl, '--metadata-dir', this.metadata, 'refresh'], options)
  }

  /** Downloads artifacts, all in one run. Gives the exit status. */
  async download(names: string | readonly string[], options?: Options): Promise<number> {
    const { metadataUrl, targetUrl } = this.#place
    const wanted = [names].flat().flatMap((name) => ['--target-name', name])
    const places = ['--target-dir', this.targets, '--target-base-url', targetUrl]
    const from = ['--metadata-url', metadataUrl, '--metadata-dir', this.metadata]
    return this.run([...from, ...wanted, ...places, 'download'], options)
  }

  /** The versions that are trusted, by the name of the file without its end: everything that lies there must be one. */
  async trusted(): Promise<Record<string, number>> {
    const names = (await readdir(this.metadata)).sort()
    const versions = names.map(async (name) => {
      if (!name.endsWith('.json')) throw new Error(`${name} is no metadata`)
      const { signed } = JSON.parse((await this.bytesOf(name)).toString()) as { signed: { version: number } }
      return [name.slice(0, -'.json'.length), signed.version] as const
    })
    return Object.fromEntries(await Promise.all(versions))
  }

  /** A file of the trusted metadata. */
  async bytesOf(name: string): Promise<Buffer> {
    return readFile(join(this.metadata, name))
  }

  /** What all files below the target directory hold, sorted: their names are the client's own affair. */
  async artifacts(): Promise<string[]> {
    const entries = await readdir(this.targets, { recursive: true, withFileTypes: true })
    const files = entries.filter((entry) => !entry.isDirectory())
    const texts = files.map(async ({ parentPath, name }) => readFile(join(parentPath, name), 'utf8'))
    return (await Promise.all(texts)).sort()
  }

  private async run(args: readonly string[], { day }: Options = {}): Promise<number> {
    const { directory, compiled } = this.#place
    const shifted = day === undefined ? {} : { CLOCK_SHIFT_MS: String(day * 86_400_000) }
    const child = spawn(program, args, {
      cwd: directory,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
        HOME: directory,
        NODE_COMPILE_CACHE: compiled,
        ...(day !== undefined && { ...shifted, NODE_OPTIONS: `--import=${clock}` }),
      },
    })
    const chunks: Buffer[] = []
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
    this.complaint = Buffer.concat(chunks).toString()
    // A status of its own kind, or a stack trace, is a client that fell over where it should have refused.
    if ((code !== 0 && code !== 1) || /^ +at /m.test(this.complaint))
      throw new Error(`${args.at(-1)} ended with ${code ?? signal}: ${this.complaint}`)
    await this.holdMetadata()
    return code
  }

  // Whatever a client keeps, it keeps byte for byte: hashes of files are made over what was served.
  private async holdMetadata(): Promise<void> {
    for (const name of await readdir(this.metadata)) {
      const bytes = await this.bytesOf(name)
      const known = this.#place.wasServed(bytes) || this.#roots.some((root) => root.equals(bytes))
      if (!known) throw new Error(`${name} holds what nobody served`)
    }
  }
}
