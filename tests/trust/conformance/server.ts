import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Server {
  /** http://127.0.0.1:PORT */
  url: string
  close(): Promise<void>
}

/**
 * Answers GET on loopback.
 * @param find what is at a path, which comes as it stood in the request; undefined is answered with 404, an error 400
 */
export async function serve(find: (path: string) => Buffer | undefined): Promise<Server> {
  const server = createServer(({ url = '' }, response) => {
    let bytes
    try {
      bytes = find(url)
    } catch (cause) {
      response.writeHead(400).end(String(cause))
      return
    }
    if (bytes === undefined) response.writeHead(404).end('not here\n')
    else response.writeHead(200, { 'content-length': bytes.length }).end(bytes)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = async (): Promise<void> => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close }
}
