/**
 * The connection to the server: opens it, says hello with what the page has already, and opens it again for ever when it
 * is lost (full jitter, so that fifty walls do not come back in the same moment).
 */
import {
  type ClientMessage,
  type Hello,
  LOST_MS,
  type ServerMessage,
  WALL_PATH,
  WALL_PROTOCOL,
} from '../../src/server/wire.js'

const RETRY_FIRST_MS = 500
const RETRY_MAX_MS = 15_000
/** A connection that is not open by then never will be (a dropped SYN is retried by the system for minutes). */
const OPEN_MS = 5000

export interface Receiver {
  /** The greeting, made anew for every connection. */
  hello(): Hello
  opened(): void
  message(message: ServerMessage): void
  /** `refused`: it never opened; perhaps this browser may not come in. */
  closed(refused: boolean): void
}

/** Wait before attempt n (from 0), ms: uniform below min(15 s, 0.5 s × 2ⁿ). */
export function retryDelay(attempt: number, random: number): number {
  return random * Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt, 16))
}

export class WallConnection {
  readonly #receiver: Receiver
  #socket: WebSocket | null = null
  #opened = false
  #attempt = 0
  /** Monotonic ms: when the socket was made, when it last said something, when to try again. */
  #madeAt = 0
  #heardAt = 0
  #retryAt: number | null = 0
  #paused = false

  constructor(receiver: Receiver) {
    this.#receiver = receiver
  }

  /** ms until the next attempt; 0 while connected or connecting. */
  retryIn(now: number): number {
    return this.#retryAt === null ? 0 : Math.max(0, this.#retryAt - now)
  }

  get bytesWaiting(): number {
    return this.#socket?.bufferedAmount ?? 0
  }

  send(message: ClientMessage): void {
    if (this.#opened) this.#socket?.send(JSON.stringify(message))
  }

  /** No attempts until `resume`: this browser has to be let in first. */
  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#retryAt = 0
  }

  /** Ends the connection and starts another: what we asked for has changed. */
  restart(): void {
    this.#attempt = 0
    this.#drop()
  }

  /** Called several times a second: tries again when it is time, and gives up a connection that has gone silent. */
  check(now: number): void {
    if (this.#socket === null) {
      if (!this.#paused && this.#retryAt !== null && now >= this.#retryAt) this.#open(now)
      return
    }
    const limit = this.#opened ? LOST_MS : OPEN_MS
    if (now - Math.max(this.#heardAt, this.#madeAt) > limit) this.#drop()
  }

  #open(now: number): void {
    const url = new URL(WALL_PATH, location.href)
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
    const socket = new WebSocket(url, WALL_PROTOCOL)
    this.#socket = socket
    this.#opened = false
    this.#madeAt = now
    this.#retryAt = null
    socket.onopen = () => {
      this.#opened = true
      this.#heardAt = performance.now()
      this.#receiver.opened()
      this.send(this.#receiver.hello())
    }
    socket.onmessage = (event: MessageEvent<string>) => {
      this.#heardAt = performance.now()
      this.#attempt = 0
      this.#receiver.message(JSON.parse(event.data) as ServerMessage)
    }
    socket.onclose = () => {
      if (this.#socket === socket) this.#drop()
    }
  }

  /** Lets go of the socket at once: a half-open one would take minutes to say that it has closed. */
  #drop(): void {
    const socket = this.#socket
    if (socket === null) return
    socket.onopen = socket.onmessage = socket.onclose = null
    socket.close()
    const refused = !this.#opened
    this.#socket = null
    this.#opened = false
    this.#retryAt = performance.now() + retryDelay(this.#attempt++, Math.random())
    this.#receiver.closed(refused)
  }
}
