import { spawnSync } from 'node:child_process'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Entry } from '../../src/commands/catalog.ts'
import { exitStatuses } from '../../src/errors.ts'
import { renderManual, type Manual } from '../../src/terminal/manual.ts'
import { has } from '../trust/tools.ts'
import { gupper, readEntries } from './cli.ts'

let page: string
let entries: Entry[]
beforeAll(async () => {
  entries = await readEntries()
  page = await gupper('man')
})

const plain = (roff: string): string =>
  roff
    .replaceAll('\\-', '-')
    .replaceAll('\\[u2026]', '…')
    .replace(/\\f[BIR]/g, '')

describe('the manual page', () => {
  it('has a section for every verb, with every flag that its command defines', () => {
    const text = plain(page)
    const [, common = ''] = text.split('.SH "FLAGS OF EVERY VERB"')
    const sections = new Map(
      text
        .split('\n.SS ')
        .slice(1)
        .map((section) => [section.split('\n')[0], section] as const),
    )
    for (const { synopsis, flags } of entries) {
      const section = sections.get(`"${synopsis}"`)
      expect(section, synopsis).toBeDefined()
      for (const { names, value } of flags) {
        const line = `\n${names.join(', ')}${value === undefined ? '' : ` ${value}`}\n`
        expect(`${String(section)}${common}`, `${synopsis} ${line}`).toContain(line)
      }
    }
  })

  it('writes values that begin the text of a flag as they are typed', () => {
    expect(plain(page)).toContain('\n--format FORMAT\nraw, tar.gz')
    expect(plain(page)).toContain('\n--os OS\nlinux, darwin')
    expect(plain(page)).toContain('\n--settle TIME\nHow long')
  })

  it('has every exit status', () => {
    for (const { exit } of exitStatuses) expect(plain(page)).toContain(`\n${exit}\n`)
  })

  it('is ASCII, so that it reads the same everywhere', () => {
    expect(page).toMatch(/^[\n\x20-\x7e]*$/)
  })

  const nasty = `.so it's \\fB "x" \`y\` ~^ – 程序 🚀 \\(co`
  const manual: Manual = {
    name: 'gupper',
    about: nasty,
    version: '1.0.0',
    synopsis: [nasty],
    description: [nasty, `'${nasty}`],
    verbs: [
      {
        path: ['do'],
        category: nasty,
        synopsis: nasty,
        description: nasty,
        details: `${nasty}\n\n${nasty}`,
        flags: [{ names: ['--x'], value: nasty, description: nasty }],
        examples: [[nasty, nasty]],
      },
    ],
    statuses: [[nasty, nasty]],
    environment: [],
    files: [],
    seeAlso: ['x(1)'],
  }

  it('keeps any text as it is: nothing in it becomes a request or an escape', () => {
    const roff = renderManual(manual)
    expect(roff).not.toMatch(/^\.so/m)
    expect(roff.match(/^\\&\.so it\\\(aqs \\efB /m)).not.toBeNull()
  })

  it.skipIf(!has('groff'))('is rendered by groff without a warning', () => {
    for (const roff of [page, renderManual(manual)]) {
      const { status, stdout, stderr } = spawnSync('groff', ['-man', '-Tutf8', '-ww'], {
        input: roff,
        encoding: 'utf8',
      })
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      expect(stdout).toContain('GUPPER(1)')
    }
    const { stdout } = spawnSync('groff', ['-man', '-Tutf8', '-P-cbou'], {
      input: renderManual(manual),
      encoding: 'utf8',
    })
    expect(stdout).toContain(`.so it's \\fB "x" \`y\` ~^ – 程序 🚀 \\(co`)
  })

  it.skipIf(!has('man'))('is rendered by man without a warning', () => {
    const env = { ...process.env, MANWIDTH: '80', LC_ALL: 'C.UTF-8', MAN_KEEP_FORMATTING: '' }
    const { status, stdout, stderr } = spawnSync('man', ['--warnings', '-l', '-'], {
      input: page,
      encoding: 'utf8',
      env,
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toContain('EXIT STATUS')
  })
})
