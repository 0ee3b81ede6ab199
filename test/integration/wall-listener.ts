/** A wall without a screen: joins `/ws/wall` and notes when each transition came. */
import { WebSocket } from 'ws'
import type { Transition } from '../../src/model/alert.js'
import { type ServerMessage, WALL_PATH, WALL_PROTOCOL } from '../../src/server/wire.js'
import { TOKEN } from './engine-process.js'

export interface Heard {
  readonly transition: Transition
  /** performance.now(). */
  readonly at: number
}

export class WallListener {
  readonly heard: Heard[] = []
  readonly #socket: WebSocket

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', (bytes: Buffer) => {
      const at = performance.now()
      const message = JSON.parse(bytes.toString()) as ServerMessage
      if (message.type === 'alert') this.heard.push({ transition: message, at })
      else if (message.type === 'series')
        socket.send(JSON.stringify({ type: 'confirm', frame: message.frame }))
    })
  }

  static async join(http: string): Promise<WallListener> {
    const socket = new WebSocket(`${http.replace('http', 'ws')}${WALL_PATH}`, WALL_PROTOCOL, {
      headers: { authorization: `Bearer ${TOKEN}` },
    })
    const listener = new WallListener(socket)
    await new Promise<void>((resolve, reject) => {
      socket.once('message', () => resolve())
      socket.once('error', reject)
      socket.once('open', () => socket.send(JSON.stringify({ type: 'hello', panels: [] })))
    })
    return listener
  }

  close(): void {
    this.#socket.close()
  }
}
