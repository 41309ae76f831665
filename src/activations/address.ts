import type { ListenAddress } from '../proxy/proxy.ts'

/** Where this machine itself reaches an address: of all interfaces, the loopback one. */
export function addressOf(
  listen: ListenAddress | undefined,
): { host: string; port: number } | { path: string } | undefined {
  if (listen === undefined || 'path' in listen) return listen
  const { host = '127.0.0.1', port } = listen
  return { host: host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host, port }
}

/** An address as people write it: "127.0.0.1:8080", "unix:/run/app.sock". */
export function formatAddress(address: ListenAddress): string {
  if ('path' in address) return `unix:${address.path}`
  const { host = '', port } = address
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
