import { formatBytes, paint, printable, widthOf } from './text.ts'

/** The columns of a table: heading → what to show of a value. */
export type Columns = Record<string, (value: Record<string, unknown>) => string>

interface Sink {
  write(text: string): Promise<boolean>
  color: boolean
}

const waitFor = 200 // rows are held this long (ms) so that their columns line up
const most = 1000

/**
 * Makes an aligned table of values that arrive one by one. Rows that come together are aligned together; rows of a
 * stream that goes on (`watch`) appear at once, no narrower than those before.
 * @param columns which columns; by default those of a package record
 */
export function createTable(
  columns: Columns | undefined,
  sink: Sink,
): {
  add: (value: object) => Promise<boolean>
  end: () => Promise<void>
} {
  let rows: string[][] = []
  let widths: number[] | undefined
  let timer: NodeJS.Timeout | undefined
  let chosen: [string, Columns[string]][] | undefined
  let headed = true
  let open = true
  let late: Promise<unknown> = Promise.resolve()

  const flush = async (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    if (rows.length === 0) return
    const lines = rows
    rows = []
    widths = lines.reduce(
      (sum, row) => row.map((cell, i) => Math.max(sum[i] ?? 0, widthOf(cell))),
      widths ?? [],
    )
    const [first = '', ...rest] = lines.map((row) => formatRow(row, widths ?? []))
    const head = headed ? first : paint(first.trimEnd(), 'bold', sink.color) + '\n'
    headed = true
    open = (await sink.write(head + rest.join(''))) && open
  }
  const flushLate = (): void => {
    late = Promise.all([late, flush()])
  }
  const add = async (value: object): Promise<boolean> => {
    const fields = value as Record<string, unknown>
    if (!chosen) {
      chosen = Object.entries(columns ?? columnsFor(fields))
      rows.push(chosen.map(([heading]) => printable(heading)))
      headed = false
    }
    rows.push(chosen.map(([, show]) => printable(show(fields))))
    if (rows.length >= most) await flush()
    else timer ??= setTimeout(flushLate, waitFor)
    return open
  }
  const end = async (): Promise<void> => {
    await flush()
    await late
  }
  return { add, end }
}

function formatRow(cells: readonly string[], widths: readonly number[]): string {
  const padded = cells.map((cell, i) => {
    const plain = widthOf(cell)
    return i === cells.length - 1 ? cell : cell + ' '.repeat(Math.max(0, (widths[i] ?? 0) - plain))
  })
  return `${padded.join('  ').trimEnd()}\n`
}

function columnsFor(value: Record<string, unknown>): Columns {
  if (typeof value.name === 'string' && typeof value.version === 'string') return recordColumns(value)
  return Object.fromEntries(
    Object.keys(value).map((key) => [key.toUpperCase(), (row: typeof value) => show(row[key])]),
  )
}

function recordColumns(value: Record<string, unknown>): Columns {
  const common: Columns = {
    NAME: ({ name }) => show(name),
    VERSION: ({ version }) => show(version),
    PLATFORM: ({ os, arch }) => `${show(os)}/${show(arch)}`,
    SIZE: ({ size }) => (typeof size === 'number' ? formatBytes(size) : '-'),
    DIGEST: ({ digest }) => (typeof digest === 'string' ? digest.slice(7, 19) : '-'),
  }
  if ('installed' in value) return { ...common, INSTALLED: ({ installed }) => describeInstalled(installed) }
  if ('proofs' in value) common.PROOFS = ({ proofs }) => describeProofs(proofs)
  if ('path' in value) return { ...common, PATH: ({ path }) => show(path) }
  return { ...common, PUBLISHED: ({ published }) => show(published) }
}

function describeInstalled(value: unknown): string {
  if (typeof value !== 'object' || value === null) return '-'
  const { path, changed, previous } = value as { path: string; changed: boolean; previous?: string }
  if (!changed) return `${path} (nothing to do)`
  return previous === undefined ? path : `${path} (was ${previous})`
}

function describeProofs(value: unknown): string {
  if (!Array.isArray(value) || value.length === 0) return '-'
  return (value as { by: string }[]).map(({ by }) => by).join(',')
}

function show(value: unknown): string {
  if (value === undefined || value === null) return '-'
  return typeof value === 'string' ? value : JSON.stringify(value)
}
