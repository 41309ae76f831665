import { loopback, type ListenAddress } from '../net/listening.ts'

/** Where this machine itself reaches an address: of all interfaces, the loopback one. */
export function addressOf(
  listen: ListenAddress | undefined,
): { host: string; port: number } | { path: string } | undefined {
  return listen === undefined || 'path' in listen
    ? listen
    : { host: loopback(listen.host), port: listen.port }
}
