/** A nats-server of the demo's own, where the machine has one: started on a free port, ended with the demo. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, constants, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface OwnNats {
  readonly url: string
  close(): Promise<void>
}

const STARTED_WITHIN_MS = 5000
const ENDED_WITHIN_MS = 2000
/**
 * `$0` is nats-server, `$1` its configuration. It lives until our end of the pipe closes, so that nothing is left behind
 * whatever way the demo dies. Ctrl-C reaches every process of a terminal at once: the server must outlive its clients.
 */
const UNTIL_WE_END = `trap '' INT
"$0" --config "$1" < /dev/null &
read -r _
kill "$!"
wait "$!"`

/** Where `nats-server` is on a PATH; undefined where it is not. Debian puts servers into sbin, which users' PATHs lack. */
export async function findNatsServer(pathVariable: string | undefined): Promise<string | undefined> {
  for (const dir of [...(pathVariable ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin']) {
    if (dir === '') continue
    const file = path.join(dir, 'nats-server')
    if (
      await access(file, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return file
  }
  return undefined
}

/**
 * Starts `program` on `port` of loopback with JetStream below `dir`. Rejects where it does not answer in time. It ends
 * with `close`, and with this process.
 */
export async function startNats(program: string, port: number, dir: string): Promise<OwnNats> {
  const config = path.join(dir, 'nats.conf')
  await writeFile(
    config,
    `listen: "127.0.0.1:${port}"\nmax_payload: 256KB\njetstream { store_dir: ${JSON.stringify(path.join(dir, 'jetstream'))}, max_file_store: 1GB }\n`,
  )
  const child = spawn('/bin/sh', ['-c', UNTIL_WE_END, program, config], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const { pid } = child
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('exit', () => reject(new Error('nats-server ended')))
  })
  // Whoever waits for it sees the failure; nobody waiting is no unhandled one.
  failed.catch(() => {})
  if (pid === undefined) return await failed
  await Promise.race([listening(port, STARTED_WITHIN_MS), failed])
  return {
    url: `nats://127.0.0.1:${port}`,
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.stdin.end()
      const late = setTimeout(() => child.kill('SIGKILL'), ENDED_WITHIN_MS)
      await ended
      clearTimeout(late)
    },
  }
}

async function listening(port: number, within: number): Promise<void> {
  for (let waited = 0; waited < within; waited += 50) {
    if (await answers(port)) return
    await sleep(50)
  }
  throw new Error(`nats-server did not listen on port ${port} within ${within / 1000} s`)
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
