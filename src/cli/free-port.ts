/** Ports of loopback: which is free, and which is the next. */
import { createServer } from 'node:net'

/** Ports tried after the wanted one. */
const TRIES = 50

/**
 * The wanted port if it is free on `host`, else the next free one above it; 0 asks the system for any. Somebody may take
 * it before it is used: the listener that comes after must still say so itself. Throws where none of the next 50 is free.
 */
export async function freePort(host: string, wanted: number): Promise<number> {
  for (let port = wanted; port <= Math.min(65_535, wanted + TRIES); port++) {
    const found = await tryPort(host, port)
    if (found !== undefined) return found
  }
  throw new Error(`no free port from ${wanted} to ${wanted + TRIES} on ${host}`)
}

function tryPort(host: string, port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(undefined)
      else reject(error)
    })
    server.listen(port, host, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : port))
    })
  })
}
