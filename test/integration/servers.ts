/**
 * Real brokers for the tests: one process each, on a port of its own, in a folder of its own, ended by its pid. A test
 * that needs one skips with a line that says what is missing.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** False where `program` is on the PATH, else the reason to skip. */
export function missing(program: string): string | false {
  for (const folder of [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin']) {
    try {
      execFileSync('test', ['-x', path.join(folder, program)])
      return false
    } catch {
      // Not in this folder.
    }
  }
  return `needs ${program} on the PATH`
}

export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as net.AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Polls until `condition` holds; throws after `ms` with what it was waiting for. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  ms = 15_000,
): Promise<void> {
  const deadline = performance.now() + ms
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${ms} ms in vain for: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

async function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** A server process that can be killed and started again on the same port and data. */
export class Server {
  readonly port: number
  readonly folder: string
  readonly #program: string
  readonly #args: readonly string[]
  #process: ChildProcess | undefined

  constructor(program: string, port: number, folder: string, args: readonly string[]) {
    this.#program = program
    this.port = port
    this.folder = folder
    this.#args = args
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  async start(): Promise<void> {
    const child = spawn(this.#program, this.#args, {
      stdio: 'ignore',
      env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/usr/local/sbin` },
    })
    this.#process = child
    await until(`${this.#program} on port ${this.port}`, () => {
      if (child.exitCode !== null) throw new Error(`${this.#program} ended with ${child.exitCode}`)
      return accepts(this.port)
    })
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#process
    if (child === undefined || child.exitCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await ended
    this.#process = undefined
  }

  pause(): void {
    this.#process?.kill('SIGSTOP')
  }

  resume(): void {
    this.#process?.kill('SIGCONT')
  }

  async stop(): Promise<void> {
    this.resume()
    await this.kill('SIGKILL')
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function folderFor(name: string): string {
  return mkdtempSync(path.join(tmpdir(), `haidang-${name}-`))
}

/** Mosquitto with the settings of DESIGN.md 13 unless `settings` says otherwise (later lines win). */
export async function mosquitto(
  settings: readonly string[] = [],
  listener: readonly string[] = [],
): Promise<Server> {
  const port = await freePort()
  const folder = folderFor('mosquitto')
  const file = path.join(folder, 'mosquitto.conf')
  const lines = [
    `listener ${port} 127.0.0.1`,
    ...listener.map((line) => line.replaceAll('$FOLDER', folder)),
    ...(settings.some((line) => line.startsWith('allow_anonymous')) ? [] : ['allow_anonymous true']),
    'persistence true',
    `persistence_location ${folder}/`,
    'autosave_interval 1',
    'max_inflight_messages 0',
    'max_queued_messages 0',
    // Else Nagle holds the next message until our acknowledgement of the last, which waits for the disk.
    'set_tcp_nodelay true',
    ...settings.map((line) => line.replaceAll('$FOLDER', folder)),
  ]
  // Started as root it would drop to a user that cannot write into our folder.
  if (process.getuid?.() === 0) lines.push('user root')
  writeFileSync(file, `${lines.join('\n')}\n`)
  return new Server('mosquitto', port, folder, ['-c', file])
}

/** nats-server with JetStream. */
export async function natsServer(settings = ''): Promise<Server> {
  const port = await freePort()
  const folder = folderFor('nats')
  const file = path.join(folder, 'nats.conf')
  writeFileSync(
    file,
    `host: 127.0.0.1\nport: ${port}\njetstream { store_dir: "${folder}/js" }\n${settings.replaceAll('$FOLDER', folder)}\n`,
  )
  return new Server('nats-server', port, folder, ['-c', file])
}

export interface TestCertificates {
  readonly folder: string
  readonly ca: string
}

/** A CA, and a certificate for 127.0.0.1 and localhost signed by it, made by openssl in `folder`: ca.pem cert.pem key.pem. */
export function certificates(folder: string): void {
  const run = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' })
  }
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  run(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca-key.pem',
    '-out',
    'ca.pem',
    '-days',
    '2',
    '-subj',
    '/CN=haidang test CA',
  )
  run('req', ...key, '-keyout', 'key.pem', '-out', 'request.pem', '-subj', '/CN=127.0.0.1')
  writeFileSync(path.join(folder, 'names.cnf'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
  run(
    'x509',
    '-req',
    '-in',
    'request.pem',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca-key.pem',
    '-CAcreateserial',
    '-out',
    'cert.pem',
    '-days',
    '2',
    '-extfile',
    'names.cnf',
  )
}
