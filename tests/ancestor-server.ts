// The ancestor's server as its description has it: GET /list is a JSON array of names, GET /download/NAME the file.
import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'

/** Serves a directory the ancestor's way; nothing but names is known. Resolves to its address and a way to close it. */
export async function startAncestor(directory: string): Promise<{ url: string; close(): Promise<void> }> {
  const server = http.createServer((req, res) => {
    void answer(directory, req.url ?? '/', res)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(directory: string, url: string, res: http.ServerResponse): Promise<void> {
  if (url === '/list' || url.startsWith('/list?')) {
    res.setHeader('content-type', 'application/json')
    res.end(JSON.stringify((await readdir(directory)).sort()))
    return
  }
  const file = path.join(directory, path.basename(decodeURIComponent(url)))
  const found = await stat(file).catch(() => undefined)
  if (!url.startsWith('/download/') || !found?.isFile()) {
    res.writeHead(404).end('404 page not found\n')
    return
  }
  res.writeHead(200, { 'content-length': found.size, 'content-type': 'application/octet-stream' })
  createReadStream(file).pipe(res)
}

if (import.meta.main) {
  const { url } = await startAncestor(process.argv[2] ?? '.')
  process.stdout.write(`${JSON.stringify({ listening: url })}\n`)
}
