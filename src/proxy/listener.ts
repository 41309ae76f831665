import * as http from 'node:http'

// Who has not sent the head of a request by then is not going to (slowloris). A body may take as long as it likes, and
// so may an answer; who has gone without a word is found out by the probes of TCP.
const limits = {
  headersTimeout: 15_000,
  requestTimeout: 0,
  connectionsCheckingInterval: 5_000,
  keepAliveTimeout: 65_000,
  keepAlive: true,
  keepAliveInitialDelay: 60_000,
  maxHeaderSize: 64 << 10,
  optimizeEmptyRequests: true, // nobody listens to the body of a GET
}

/**
 * Makes the server at which clients arrive, not yet listening.
 * @param shouldUpgrade whether a request that offers to speak another protocol may do so
 */
export function makeServer(shouldUpgrade: (req: http.IncomingMessage) => boolean): http.Server {
  const server = http.createServer({ ...limits, shouldUpgradeCallback: shouldUpgrade })
  server.timeout = 0
  server.maxHeadersCount = 0 // they are limited by their size; one that is left out could be the length of the body
  return server
}
