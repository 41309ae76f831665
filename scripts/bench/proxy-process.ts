import { openProxy } from '../../src/proxy/open.ts'

// The proxy in a process of its own, before a program that listens on the port that is given; prints its URL.
const [port = ''] = process.argv.slice(2)
const proxy = await openProxy({ listen: { host: '127.0.0.1', port: 0 } })
proxy.switchTo({ id: port, host: '127.0.0.1', port: Number(port) })
console.log(proxy.url)
process.once('SIGTERM', () => void proxy.close(1000))
