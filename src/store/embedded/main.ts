import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { loadChdb } from './chdb.js'
import { Database, freshDirectory } from './database.js'
import { type Access, type Caller, serve } from './http.js'
import {
  type DoorMessage,
  type EngineMessage,
  type OpenMessage,
  OWN_AT_ONCE,
  PID_FILE,
  PROCESS_TITLE,
  type StoreMessage,
  type TokenAnswer,
} from './protocol.js'
import { Slots } from './slots.js'

/**
 * The store process: chDB behind the ClickHouse HTTP interface. Started by the engine (child.ts), which speaks to it
 * over the IPC channel; it ends with that channel, whatever it is doing: a chDB that outlives its engine keeps the
 * lock of the data.
 */
process.title = PROCESS_TITLE
// Ctrl-C reaches the whole process group; the engine decides when its store ends.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => undefined)
// SIGKILL, not exit(): chDB's exit handlers wait for running queries, and its data is safe against this.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))

/** Known callers are asked for again after this long, so that a revoked token loses the door within it. */
const CALLER_MS = 5000
const CALLERS_MAX = 1000
/** Unknown tokens that the engine is asked about in a second: guessing must cost it nothing. */
const QUESTIONS_A_SECOND = 50

const questions = new Map<number, (answer: TokenAnswer) => void>()
const callers = new Map<string, { readonly caller: Caller | null; readonly until: number }>()
let nextQuestion = 1
let questionSecond = 0
let questionsAsked = 0
let db: Database | undefined
let opened: OpenMessage | undefined
const servers: Server[] = []

process.on('message', (message: EngineMessage) => {
  switch (message.type) {
    case 'open':
      open(message).catch((error: Error) => {
        send({ type: 'failed', code: 'HD_STORE_CONNECT', message: error.message })
      })
      break
    case 'door':
      openDoor(message)
      break
    case 'token':
      questions.get(message.id)?.(message)
      questions.delete(message.id)
      break
    case 'close':
      close()
  }
})

async function open(message: OpenMessage): Promise<void> {
  opened = message
  await freshDirectory(message.scratch)
  process.chdir(message.scratch)
  writeFileSync(path.join(path.dirname(message.directory), PID_FILE), `${process.pid} ${startTime()}\n`)
  const limits = message.limits
  // One pipe a running query; a few more, since a pipe is free only when its last byte is read.
  db = await Database.open(
    loadChdb(),
    message.directory,
    message.scratch,
    OWN_AT_ONCE + limits.at_once + 4,
    message.memory_bytes,
  )
  const access: Access = {
    kind: 'own',
    caller: async () => ({ who: 'engine', role: 'admin' }),
    slots: new Slots(OWN_AT_ONCE, 1000),
    limits,
    audit: () => undefined,
  }
  const server = createServer(
    { requestTimeout: 0, keepAliveTimeout: 60_000 },
    serve(db, message.scratch, access),
  )
  servers.push(server)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(message.socket, () => resolve())
  })
  await chmod(message.socket, 0o600)
  // Not before: being back soon after a death matters more than this second of one core.
  lowPriority()
  send({ type: 'ready', version: db.version })
}

function openDoor(message: DoorMessage): void {
  if (db === undefined || opened === undefined) return
  const { limits, scratch } = opened
  const access: Access = {
    kind: 'door',
    caller: callerOf,
    slots: new Slots(limits.at_once, limits.waiting),
    limits,
    audit: (entry) => send({ type: 'audit', entry }),
  }
  const server = createServer(
    { headersTimeout: 10_000, requestTimeout: 60_000, keepAliveTimeout: 10_000 },
    serve(db, scratch, access),
  )
  server.maxConnections = 200
  server.once('error', (error) => send({ type: 'door_failed', message: error.message }))
  server.listen(message.port, message.host, () => {
    const address = server.address()
    if (address !== null && typeof address === 'object') send({ type: 'door', port: address.port })
  })
  servers.push(server)
}

/** Bearer, X-ClickHouse-Key, or the Basic password; null where the token is missing, unknown or of another role. */
async function callerOf(request: IncomingMessage): Promise<Caller | null> {
  const token = tokenOf(request)
  if (token === undefined || token === '') return null
  const key = createHash('sha256').update(token).digest('hex')
  const known = callers.get(key)
  if (known !== undefined && known.until > Date.now()) return known.caller
  const second = Math.floor(Date.now() / 1000)
  if (second !== questionSecond) {
    questionSecond = second
    questionsAsked = 0
  }
  if (++questionsAsked > QUESTIONS_A_SECOND) return null
  const answer = await new Promise<TokenAnswer>((resolve) => {
    const id = nextQuestion++
    questions.set(id, resolve)
    send({ type: 'token', id, token })
  })
  const caller =
    answer.role === 'analyst' || answer.role === 'admin' ? { who: answer.who, role: answer.role } : null
  if (callers.size >= CALLERS_MAX) callers.clear()
  callers.set(key, { caller, until: Date.now() + CALLER_MS })
  return caller
}

function tokenOf(request: IncomingMessage): string | undefined {
  const key = request.headers['x-clickhouse-key']
  if (typeof key === 'string') return key
  const authorization = request.headers.authorization ?? ''
  const bearer = /^Bearer\s+(\S+)$/i.exec(authorization)
  if (bearer !== null) return bearer[1]
  const basic = /^Basic\s+(\S+)$/i.exec(authorization)
  if (basic === null) return undefined
  const pair = Buffer.from(basic[1]!, 'base64').toString('utf8')
  return pair.slice(pair.indexOf(':') + 1)
}

/**
 * Nice 19 for every thread there is. On Linux priority is a thread's, inherited by those it starts: setting the
 * process' alone would leave Node's pool, on which queries run, and all of chDB's threads that it starts, at 0.
 */
function lowPriority(): void {
  os.setPriority(19)
  let threads: string[] = []
  try {
    threads = readdirSync('/proc/self/task')
  } catch {
    // No /proc: there priority is the process'.
  }
  for (const thread of threads) {
    try {
      os.setPriority(Number(thread), 19)
    } catch {
      // It has ended meanwhile.
    }
  }
}

function close(): void {
  for (const server of servers) {
    server.close()
    server.closeAllConnections()
  }
  const done = db?.close() ?? Promise.resolve()
  done.catch(() => undefined).finally(() => process.kill(process.pid, 'SIGKILL'))
}

function send(message: StoreMessage): void {
  if (process.connected) process.send?.(message)
}

/** Field 22 of /proc/self/stat: with the pid it names one process for ever. '0' where there is no /proc. */
function startTime(): string {
  try {
    return readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ')[19] ?? '0'
  } catch {
    return '0'
  }
}
