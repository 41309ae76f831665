import { createHash } from 'node:crypto'
import type { PackageRecord } from '../package/record.ts'
import type { Catalog } from './catalog.ts'
import { downloadUrl } from './origin.ts'

const mostRows = 1000

const style = `
:root{color-scheme:light dark;--line:#8883;--soft:#8887;--accent:#0b6bcb}
@media(prefers-color-scheme:dark){:root{--accent:#6cb6ff}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;max-width:68rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}
header{display:flex;flex-wrap:wrap;align-items:baseline;gap:.25rem 1rem;border-bottom:2px solid var(--accent);padding-bottom:.75rem}
h1{font-size:1.75rem;margin:0;letter-spacing:-.02em}
h2{font-size:1.2rem;margin:2.25rem 0 .5rem}
p{margin:.5rem 0}
.soft{opacity:.7}
a{color:var(--accent);text-decoration:none}
a:hover,a:focus-visible{text-decoration:underline}
pre{margin:.75rem 0;padding:.75rem 1rem;border:1px solid var(--line);border-radius:.5rem;overflow-x:auto;background:#8881}
code,pre{font:.875rem/1.5 ui-monospace,monospace}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.375rem 1rem .375rem 0;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-size:.8rem;text-transform:uppercase;letter-spacing:.05em;opacity:.7;font-weight:600}
td.number,th.number{text-align:right}
summary{cursor:pointer;padding:.375rem 0;opacity:.8}
footer{margin-top:3rem;padding-top:.75rem;border-top:1px solid var(--line);font-size:.875rem}
`

const styleHash = createHash('sha256').update(style).digest('base64')

/** No script, nothing from elsewhere, in no one's frame. */
export const pagePolicy =
  `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; ` +
  `frame-ancestors 'none'`

/**
 * The page for people: what is here and how to install it. Everything that comes from outside is escaped.
 * @param catalog what the server has
 * @param base its address as the reader knows it
 */
export function renderPage(catalog: Catalog, base: string): string {
  const names = catalog.names()
  let left = mostRows
  const sections: string[] = []
  for (const name of names) {
    if (left <= 0) break
    const versions = catalog.versions(name).slice(0, left)
    left -= versions.length
    sections.push(renderName(name, versions, base))
  }
  const others = [...catalog.entries()].filter(({ record }) => !record).slice(0, mostRows)
  const count = `${plural(catalog.packages, 'package')} of ${plural(names.length, 'program')}`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Packages at ${escape(base)}</title>
<style>${style}</style>
</head>
<body>
<header><h1>Packages</h1><span class="soft">${count} at ${escape(base)}</span></header>
${names.length === 0 ? renderEmpty() : sections.join('\n')}
${catalog.packages > mostRows ? `<p class="soft">Only ${mostRows} are shown here; <a href="list">/list</a> has all of them.</p>` : ''}
${others.length > 0 ? renderOthers(others, base) : ''}
<footer class="soft">Served by gupper.
For programs: <a href="list">/list</a> (records with <code>Accept: application/x-ndjson</code>),
<code>/download/NAME</code>, <a href="events">/events</a>, <a href="metrics">/metrics</a>.</footer>
</body>
</html>
`
}

function renderEmpty(): string {
  return `<p>Nothing here yet. A package is a file named <code>NAME-VERSION-OS-ARCH</code>, as
<code>gupper pack</code> makes them; put into the served directory it appears here.</p>`
}

function renderName(name: string, versions: readonly PackageRecord[], base: string): string {
  const newest = versions[0]?.version
  const current = versions.filter(({ version }) => version === newest)
  const older = versions.slice(current.length)
  const command = `gupper update ${shellQuote(base)} --name ${shellQuote(name)} --to ./${shellQuote(name)}`
  return `<section>
<h2>${escape(name)} <span class="soft">${escape(newest ?? '')}</span></h2>
<pre>${escape(command)}</pre>
${renderTable(current, base)}
${older.length > 0 ? `<details><summary>${plural(older.length, 'older package')}</summary>\n${renderTable(older, base)}\n</details>` : ''}
</section>`
}

function renderTable(records: readonly PackageRecord[], base: string): string {
  const rows = records.map(
    ({ version, os, arch, file, size = 0, digest = '', published = '' }) => `<tr>
<td>${escape(version)}</td><td>${escape(`${os}/${arch}`)}</td>
<td><a href="${escape(downloadUrl(base, file))}">${escape(file)}</a></td>
<td class="number">${formatSize(size)}</td><td><code title="${escape(digest)}">${escape(digest.slice(7, 19))}…</code></td>
<td><time datetime="${escape(published)}">${escape(published.slice(0, 16).replace('T', ' '))}</time></td></tr>`,
  )
  return `<div class="scroll"><table>
<thead><tr><th>Version</th><th>Platform</th><th>File</th><th class="number">Size</th><th>SHA-256</th><th>Published</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody></table></div>`
}

function renderOthers(files: readonly { file: string; size: number }[], base: string): string {
  const items = files.map(
    ({ file, size }) =>
      `<li><a href="${escape(downloadUrl(base, file))}">${escape(file)}</a> <span class="soft">${formatSize(size)}</span></li>`,
  )
  return `<section><h2>Other files</h2><ul>\n${items.join('\n')}\n</ul></section>`
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)
}

/** A word as a shell takes it: what a name may hold must not become a command in someone's terminal. */
function shellQuote(word: string): string {
  return /^[\w@%+=:,./[\]-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

function formatSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3))
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power] ?? ''}`
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
