/**
 * One process a data directory. Node has no flock, and a file with a pid lies: pids are reused, and mean nothing across
 * containers that share a volume. So the holder listens on a Unix socket in the directory: the kernel ends it with the
 * process, whatever way that dies, and whoever can reach the directory can ask it.
 *
 *   lock-<n>.json   {pid, socket, released}     the highest n counts; n only grows
 *
 * To take it: find the highest n; if its socket answers, it is held. Else create n + 1, which only one process can do
 * (link fails where the name stands), and look again whether someone is beyond that. Numbers never go back, so a slow
 * contender cannot take over from a holder it has not seen. Not for network file systems: sockets end at the machine.
 */
import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readdir, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import path from 'node:path'
import { HaidangError } from '../model/errors.js'

interface Holder {
  readonly pid: number
  readonly socket: string
  readonly released: boolean
}

export interface DirectoryLock {
  release(): Promise<void>
}

/** Contenders that keep overtaking each other give up after this many rounds; each round means somebody got on. */
const ROUNDS_MAX = 20
/** sun_path holds 107 bytes; longer paths are reached through /proc/self/fd. */
const SOCKET_PATH_MAX = 100

/**
 * Takes `directory` (made where there is none) for this process, until `release` or its end.
 * Throws HD_LOG_LOCKED, naming the pid, where another living process has it.
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  await mkdir(directory, { recursive: true })
  const socket = `lock-${process.pid}-${randomBytes(4).toString('hex')}.sock`
  const server = await listen(directory, socket)
  try {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const generation = await take(directory, socket)
      if (generation !== null) {
        // Tidying up is not the lock: a contender that goes while it is asked must not cost us what we have won.
        await removeBelow(directory, generation, socket).catch(() => {})
        return { release: () => release(directory, generation, socket, server) }
      }
    }
    throw new HaidangError('HD_LOG_LOCKED', `${directory} is being taken by several processes at once`, {
      retryable: true,
    })
  } catch (error) {
    await stop(server, path.join(directory, socket))
    throw error
  }
}

/** The generation won, or null where somebody was faster and it is worth another look. */
async function take(directory: string, socket: string): Promise<number | null> {
  const highest = Math.max(0, ...(await generations(directory)))
  if (highest > 0) {
    const holder = await readHolder(directory, highest)
    if (holder === null) return null
    if (!holder.released && (await answers(directory, holder.socket)))
      throw new HaidangError(
        'HD_LOG_LOCKED',
        `${directory} is in use by process ${holder.pid}: end it, or give this one another HAIDANG_DATA`,
      )
  }
  const mine = highest + 1
  const draft = path.join(directory, `${socket}.tmp`)
  await writeFile(draft, JSON.stringify({ pid: process.pid, socket, released: false } satisfies Holder))
  try {
    await link(draft, lockPath(directory, mine))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return null
    throw error
  } finally {
    await unlink(draft)
  }
  if (Math.max(...(await generations(directory))) === mine) return mine
  await rm(lockPath(directory, mine), { force: true })
  return null
}

async function release(directory: string, generation: number, socket: string, server: Server): Promise<void> {
  const draft = path.join(directory, `${socket}.tmp`)
  await writeFile(draft, JSON.stringify({ pid: process.pid, socket, released: true } satisfies Holder))
  await rename(draft, lockPath(directory, generation))
  await stop(server, path.join(directory, socket))
}

async function removeBelow(directory: string, generation: number, socket: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const old = /^lock-(\d+)\.json$/.exec(name)
    if (old !== null && Number(old[1]) < generation) await rm(path.join(directory, name), { force: true })
    // Sockets of the dead; another contender's may be alive for a moment yet, and is left.
    const stale =
      /^lock-\d+-[0-9a-f]{8}\.sock$/.test(name) && name !== socket && !(await answers(directory, name))
    if (stale) await rm(path.join(directory, name), { force: true })
  }
}

function lockPath(directory: string, generation: number): string {
  return path.join(directory, `lock-${generation}.json`)
}

async function generations(directory: string): Promise<number[]> {
  const found: number[] = []
  for (const name of await readdir(directory)) {
    const match = /^lock-(\d+)\.json$/.exec(name)
    if (match !== null) found.push(Number(match[1]))
  }
  return found
}

async function readHolder(directory: string, generation: number): Promise<Holder | null> {
  try {
    return JSON.parse(await readFile(lockPath(directory, generation), 'utf8')) as Holder
  } catch (error) {
    // Gone since it was listed: someone is beyond it.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

async function listen(directory: string, socket: string): Promise<Server> {
  const server = createServer((peer) => peer.destroy())
  await withSocketPath(
    directory,
    socket,
    (address) =>
      new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(address, resolve)
      }),
  )
  server.unref()
  return server
}

async function stop(server: Server, socket: string): Promise<void> {
  await new Promise((resolve) => {
    server.close(resolve)
  })
  await rm(socket, { force: true })
}

/** Whether a living process listens there. A stopped one (SIGSTOP) still answers: the kernel accepts for it. */
function answers(directory: string, socket: string): Promise<boolean> {
  return withSocketPath(
    directory,
    socket,
    (address) =>
      new Promise<boolean>((resolve, reject) => {
        const peer = connect(address)
        peer.once('connect', () => {
          peer.destroy()
          resolve(true)
        })
        peer.once('error', (error: NodeJS.ErrnoException) => {
          if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false)
          // Its queue is full, or it is just closing: alive.
          else if (error.code === 'EAGAIN' || error.code === 'ECONNRESET' || error.code === 'EPIPE')
            resolve(true)
          else reject(error)
        })
      }),
  )
}

async function withSocketPath<T>(
  directory: string,
  socket: string,
  use: (address: string) => Promise<T>,
): Promise<T> {
  const whole = path.join(directory, socket)
  if (Buffer.byteLength(whole) <= SOCKET_PATH_MAX) return use(whole)
  const handle = await open(directory, 'r')
  try {
    return await use(`/proc/self/fd/${handle.fd}/${socket}`)
  } finally {
    await handle.close()
  }
}
