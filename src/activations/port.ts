import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'

/** Finds a port of the loopback interface that is free now. Until a program takes it, only chance could give it to another. */
export async function findPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
