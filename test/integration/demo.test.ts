/** The demo as anyone starts it: a process of its own, looked at from outside, ended by Ctrl-C's signal. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { WebSocket } from 'ws'
import { alive, below, ROOT, startDemo } from './demo-process.js'
import { freePort, missing, until } from './servers.js'

t.setTimeout(180_000)

function listens(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    const socket = net.connect(Number(port), hostname, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

interface Alert {
  readonly rule: string
  readonly status: string
}

/** First alerts that a wall hears of. */
function wall(http: string): { socket: WebSocket; alerts: Alert[]; charts: () => number } {
  const socket = new WebSocket(`${http.replace('http', 'ws')}/ws/wall`, 'haidang.wall.v1', { origin: http })
  const alerts: Alert[] = []
  let points = 0
  socket.on('open', () =>
    socket.send(JSON.stringify({ type: 'hello', epoch: null, since: null, panels: null })),
  )
  socket.on('message', (bytes) => {
    const message = JSON.parse(String(bytes)) as {
      type: string
      alerts?: Alert[]
      frame?: number
      charts?: { time: number[] }[]
    } & Alert
    if (message.type === 'snapshot') alerts.push(...(message.alerts ?? []))
    if (message.type === 'alert') alerts.push(message)
    for (const chart of message.charts ?? []) points += chart.time.length
    if (message.type === 'series') socket.send(JSON.stringify({ type: 'confirm', frame: message.frame }))
  })
  return { socket, alerts, charts: () => points }
}

t.test('the demo', { timeout: 180_000 }, async (t) => {
  const taken = net.createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => taken.once('listening', resolve))
  const { port } = taken.address() as net.AddressInfo
  const demo = await startDemo({
    HAIDANG_HTTP: `127.0.0.1:${port}`,
    HAIDANG_MQTT: `127.0.0.1:${await freePort()}`,
    HAIDANG_SQL: `127.0.0.1:${await freePort()}`,
  })
  let family: number[] = []
  t.teardown(() => {
    taken.close()
    for (const pid of [demo.child.pid!, ...family])
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // Gone, as it should be.
      }
  })
  const { ready } = demo

  t.match(
    demo.output(),
    `port ${port} is taken: the wall is on ${new URL(ready.http).port}`,
    'a taken port is said aloud',
  )
  t.not(new URL(ready.http).port, String(port))
  const page = await fetch(`${ready.http}/wall`)
  t.equal(page.status, 200, 'the wall is served')
  t.match(page.headers.get('content-type'), 'text/html')

  const { socket, alerts, charts } = wall(ready.http)
  await until('the first alert', () => alerts.some((a) => a.status === 'firing'), 10_000)
  t.pass(
    `first alert ${((performance.now() - demo.readyAt) / 1000).toFixed(1)} s after the ready line: ${alerts[0]?.rule}`,
  )
  await until('points on the charts', () => charts() > 0, 10_000)
  await until('smoke, then heat', () => alerts.some((a) => a.rule === 'fire.smoke-then-heat'), 60_000)
  socket.close()

  // Every stream arrives, over MQTT and over NATS, and is stored.
  const devices = (await (await fetch(`${ready.http}/api/v1/devices?limit=1000`)).json()) as Record<
    string,
    unknown
  >
  t.ok(JSON.stringify(devices).includes('fl-kenh-01'), 'the registry is there')
  const sources = (await (await fetch(`${ready.http}/api/v1/sources`)).json()) as {
    sources?: { name: string; messages: number }[]
  }
  const heard = Object.fromEntries((sources.sources ?? []).map((x) => [x.name, x.messages]))
  t.ok((heard['broker'] ?? 0) > 500, `${heard['broker']} messages over MQTT`)
  if (missing('nats-server') === false)
    t.ok((heard['nats'] ?? 0) > 100, `${heard['nats']} messages over NATS`)
  family = below(demo.child.pid!)
  t.ok(family.length > 0, `${family.length} processes of its own`)
  const names = family.map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
  if (missing('nats-server') === false)
    t.ok(
      names.some((n) => n.includes('nats-server')),
      'a nats-server of its own',
    )

  const ended = new Promise<number | null>((resolve) => demo.child.once('exit', resolve))
  const asked = performance.now()
  process.kill(-demo.child.pid!, 'SIGINT')
  t.equal(await ended, 0, demo.output().slice(-2000))
  t.ok(performance.now() - asked < 10_000, `ended after ${((performance.now() - asked) / 1000).toFixed(1)} s`)
  await until('every process to be gone', () => !family.some(alive), 3000)
  for (const url of [ready.http, ready.mqtt, ready.sql])
    t.equal(await listens(url), false, `nobody listens at ${url}`)
  t.equal(
    readdirSync('/tmp').some((f) => f.startsWith('haidang-demo-') && f === folderOf(demo.output())),
    false,
    'its folder is gone',
  )
})

function folderOf(output: string): string {
  return /haidang-demo-\w+/.exec(output)?.[0] ?? ''
}

t.test('killed without warning it leaves no process behind', { timeout: 90_000 }, async (t) => {
  const demo = await startDemo({
    HAIDANG_HTTP: '127.0.0.1:0',
    HAIDANG_MQTT: '127.0.0.1:0',
    HAIDANG_SQL: '127.0.0.1:0',
  })
  const family = below(demo.child.pid!)
  t.ok(family.length > 0)
  t.teardown(async () => {
    for (const pid of family) if (alive(pid)) process.kill(pid, 'SIGKILL')
    const folder = folderOf(demo.output())
    if (folder !== '') await rm(path.join(tmpdir(), folder), { recursive: true, force: true })
  })
  demo.child.kill('SIGKILL')
  await until('every process to be gone', () => !family.some(alive), 10_000)
  t.pass(`${family.length} processes gone`)
})

t.test('what the demo refuses', async (t) => {
  for (const [args, env, status, said] of [
    [['--seed', 'x'], {}, 2, '--seed takes a whole number'],
    [['--speed', '0'], {}, 2, '--speed takes'],
    [['more'], {}, 2, 'one too many'],
    [[], { HAIDANG_HTTP: '0.0.0.0:8080' }, 1, 'not loopback'],
  ] as const) {
    const child = spawn(process.execPath, ['bin/haidang.js', 'demo', ...args], {
      cwd: ROOT,
      env: { PATH: process.env['PATH'] ?? '', ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let text = ''
    child.stderr.on('data', (chunk) => {
      text += chunk
    })
    const code = await new Promise((resolve) => child.once('close', resolve))
    t.equal(code, status, said)
    t.match(text, said)
  }
})
