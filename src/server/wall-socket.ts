/**
 * `/ws/wall`: lets walls in and joins them to the Wall. No deflate (a bomb, and the messages are small), 64 KiB a message
 * from a client, exact Origin, a token or cookie whose role may see a wall; what is refused is refused before the
 * upgrade, as a problem document.
 */
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { type RawData, WebSocket, WebSocketServer } from 'ws'
import { BOUNDS } from '../model/bounds.js'
import type { ErrorCode } from '../model/errors.js'
import { type Access, mayAct } from './access.js'
import type { Attempts } from './attempts.js'
import { PROBLEM_TYPE, problem } from './problem.js'
import type { Wall } from './wall.js'
import type { WallLine } from './wall-client.js'
import { type Role, WALL_PATH, WALL_PROTOCOL } from './wire.js'

const MAY_SEE_A_WALL: readonly Role[] = ['wall', 'operator']
const CLOSE_UNSUPPORTED = 1003

export class WallSocket {
  readonly #wall: Wall
  readonly #access: Access
  readonly #attempts: Attempts
  readonly #refused: (reason: ErrorCode) => void
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: BOUNDS.wall_message_bytes,
    perMessageDeflate: false,
    clientTracking: true,
    handleProtocols: (offered) => (offered.has(WALL_PROTOCOL) ? WALL_PROTOCOL : false),
  })

  /** `refused` is told of every refusal, for counters and the SOC. */
  constructor(wall: Wall, access: Access, attempts: Attempts, refused: (reason: ErrorCode) => void) {
    this.#wall = wall
    this.#access = access
    this.#attempts = attempts
    this.#refused = refused
  }

  attach(server: Server): void {
    server.on('upgrade', (request, socket, head) => {
      this.#upgrade(request, socket, head)
    })
  }

  async close(): Promise<void> {
    // Pages come back by themselves; a second for their closing handshake is enough.
    const deadline = setTimeout(() => {
      for (const socket of this.#server.clients) socket.terminate()
    }, 1000)
    await Promise.all(
      [...this.#server.clients].map(
        (socket) =>
          new Promise((resolve) => {
            socket.once('close', resolve)
            if (socket.readyState === WebSocket.CLOSED) resolve(undefined)
          }),
      ),
    )
    clearTimeout(deadline)
    this.#server.close()
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Until the upgrade nobody else listens: a reset must not end the process.
    const dropped = (): void => {
      socket.destroy()
    }
    socket.on('error', dropped)
    const address = request.socket.remoteAddress ?? ''
    const refuse = (status: number, code: ErrorCode, detail: string): void => {
      this.#refused(code)
      answer(socket, status, JSON.stringify(problem(status, code, detail, request.url ?? '')))
    }
    if (request.url?.split('?', 1)[0] !== WALL_PATH) {
      refuse(404, 'HD_SERVE_NOT_FOUND', `the wall's socket is ${WALL_PATH}`)
      return
    }
    const refusal = this.#access.refusal(request.headers, address)
    if (refusal !== null) {
      refuse(refusal.status, refusal.code, refusal.detail)
      return
    }
    const principal = this.#access.principal(request.headers)
    if (principal === null && request.headers.authorization !== undefined && this.#attempts.wrong(address)) {
      refuse(429, 'HD_SERVE_AUTH', 'too many attempts, try again in a minute')
      return
    }
    if (principal === null) {
      refuse(401, 'HD_SERVE_AUTH', 'give a token as Authorization: Bearer, or the cookie of /api/v1/session')
      return
    }
    if (!mayAct(principal, MAY_SEE_A_WALL)) {
      refuse(403, 'HD_SERVE_RIGHTS', `role '${principal.role}' may not open a wall`)
      return
    }
    const offered = request.headers['sec-websocket-protocol']
    if (offered !== undefined && !offered.split(',').some((one) => one.trim() === WALL_PROTOCOL)) {
      refuse(400, 'HD_SERVE_REQUEST', `the subprotocol is ${WALL_PROTOCOL}, not '${offered}'`)
      return
    }
    if (!this.#wall.hasRoom) {
      refuse(503, 'HD_SERVE_REQUEST', `${BOUNDS.walls} walls are connected already`)
      return
    }
    socket.off('error', dropped)
    this.#server.handleUpgrade(request, socket, head, (ws) => {
      this.#joined(ws, principal.name, address, () => this.#access.stillKnown(principal))
    })
  }

  #joined(ws: WebSocket, name: string, address: string, permitted: () => boolean): void {
    const client = this.#wall.join(lineOf(ws), { name, address }, permitted)
    ws.on('message', (data: RawData, isBinary: boolean) => {
      if (isBinary) ws.close(CLOSE_UNSUPPORTED, 'text only')
      else client.receive((data as Buffer).toString('utf8'))
    })
    ws.on('ping', () => {
      client.pinged()
    })
    ws.on('pong', () => {
      client.pong()
    })
    // 'close' follows every error (too large a message, a reset): nothing else to do here.
    ws.on('error', () => {})
    ws.on('close', () => {
      client.gone()
    })
  }
}

function lineOf(ws: WebSocket): WallLine {
  return {
    get bufferedAmount() {
      return ws.bufferedAmount
    },
    send(bytes, flushed) {
      if (ws.readyState === WebSocket.OPEN) ws.send(bytes, { binary: false }, flushed && (() => flushed()))
    },
    ping() {
      if (ws.readyState === WebSocket.OPEN) ws.ping()
    },
    close(code, reason) {
      ws.close(code, reason)
      // A peer that does not answer the handshake must not be kept: ws itself waits 30 s.
      setTimeout(() => ws.terminate(), 2000).unref()
    },
    terminate() {
      ws.terminate()
    },
  }
}

/** A whole HTTP answer on a socket that will not be upgraded. */
function answer(socket: Duplex, status: number, body: string): void {
  const reason: Record<number, string> = { 400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden' }
  socket.end(
    `HTTP/1.1 ${status} ${reason[status] ?? 'Refused'}\r\n` +
      `Content-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `${status === 401 ? 'WWW-Authenticate: Bearer realm="haidang"\r\n' : ''}` +
      `X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n${body}`,
  )
}
