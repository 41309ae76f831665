import { createClient, withoutCredentials } from '../../net/client.ts'
import type { Limits } from '../../net/limits.ts'
import { readToken } from '../../net/token.ts'
import { openEvents, readBase, withoutPassword } from '../http.ts'
import type { SourceOptions } from '../source.ts'
import { isMetadataName, targetParts, type Transport } from './transport.ts'

// A mirror gets less time for a small file than a server for its list: others may be waiting to be asked.
const patience: Partial<Limits> = { answer: 60_000, firstByte: 15_000, idle: 15_000, tries: 3 }
const slowest = 32 // bytes a millisecond: what a large file may take longer is as if it came at 32 KB/s

/**
 * A signed repository on any static file server. Each has limits of its own.
 * @param address http(s)://host[:port][/path] of the repository
 * @throws GupperError `usage` (64) for an address that is none, `cannot-read` (69) about the token file
 */
export async function createHttpTransport(address: string, options: SourceOptions): Promise<Transport> {
  const base = readBase(address)
  const url = withoutPassword(base)
  const { env, signal, observer, tokenFile } = options
  const token = tokenFile === undefined ? undefined : await readToken(tokenFile)
  const limits = { ...patience, ...options.limits }
  const client = createClient({ env, observer, signal, token, limits })
  const metadata = new URL('metadata/', base)
  const targets = withoutCredentials(new URL('targets/', base).href)
  return {
    url,
    async readMetadata(name, maxBytes) {
      if (!isMetadataName(name)) return undefined
      const within = (limits.answer ?? 0) + maxBytes / slowest
      // A static server undoes the encoding of the URL to find the file, so that what the name has of its own goes under
      // another one. Servers that take a name for a role's rather than a file's want only one.
      for (const text of name.includes('%') ? [encodeURIComponent(name), name] : [name]) {
        const place = new URL(text, metadata).href
        // "%2e%2e" leads up as ".." does (WHATWG URL, 4.4).
        if (!place.startsWith(`${metadata.href}${text.slice(0, 1)}`)) continue
        const { body } = await client.get(place, { maxBytes, absent: true, within })
        if (body) return body
      }
      return undefined
    },
    targetUrl: (path) => new URL(targetParts(path).map(encodeURIComponent).join('/'), targets).href,
    changes: (listening) => openEvents(client, new URL('events', base).href, listening),
    close: () => client.close(),
  }
}
