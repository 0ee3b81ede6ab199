/** A WebSocket client in a process of its own: notes when each alert arrives (CLOCK_MONOTONIC, one clock for all). */
import { WebSocket } from 'ws'

interface Ask {
  readonly url: string
  readonly token: string | null
}

const arrivals: [key: string, ns: number][] = []
let socket: WebSocket | undefined

process.on('message', (ask: Ask | 'take' | 'close') => {
  if (ask === 'take') {
    process.send!(arrivals.splice(0))
    return
  }
  if (ask === 'close') {
    socket?.terminate()
    process.exit(0)
  }
  socket =
    ask.token === null
      ? new WebSocket(ask.url)
      : new WebSocket(ask.url, 'haidang.wall.v1', { headers: { authorization: `Bearer ${ask.token}` } })
  socket.on('open', () => {
    if (ask.token !== null)
      socket!.send(JSON.stringify({ type: 'hello', epoch: null, since: null, panels: [] }))
    process.send!('open')
  })
  socket.on('message', (bytes: Buffer) => {
    const now = Number(process.hrtime.bigint())
    const message = JSON.parse(bytes.toString()) as { type: string; device: string; time: number }
    // Every device of the bench alerts once.
    if (message.type === 'alert') arrivals.push([message.device, now])
  })
})
