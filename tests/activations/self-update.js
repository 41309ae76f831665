// A program that speaks the protocol of self-update: node self-update.js VERSION [-upgrade true -upgrade-bind A] -bind B.
// With "never" as its version it takes the word and never binds.
import { createServer } from 'node:http'

const [version, ...args] = process.argv.slice(2)
const flag = (name) => args[args.indexOf(name) + 1]
const listen = (server, address) => {
  const [host, port] = address.split(':')
  server.listen(Number(port), host)
  return server
}

const real = createServer((_req, res) => res.end(version))
const serve = () => version !== 'never' && listen(real, flag('-bind'))

process.on('SIGTERM', () => {
  process.exitCode = 0
  real.close(() => process.exit())
  if (!real.listening) process.exit()
  real.closeIdleConnections()
})

if (args.includes('-upgrade')) {
  const small = listen(
    createServer((req, res) => {
      res.end('ok')
      if (req.url !== '/replace') return
      small.close()
      small.closeIdleConnections()
      serve()
    }),
    flag('-upgrade-bind'),
  )
} else serve()
setInterval(() => undefined, 1000)
