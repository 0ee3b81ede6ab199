import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { BOUNDS } from '../../src/model/bounds.js'
import { QUALITY } from '../../src/model/quality.js'
import { FakeEngine, TestWall, until } from './fake-engine.js'

async function started(t: Test, options: ConstructorParameters<typeof FakeEngine>[0] = {}) {
  const engine = new FakeEngine(options)
  const url = await engine.listen()
  t.teardown(() => engine.close())
  return { engine, url }
}

async function greeted(t: Test, url: string, hello: object = {}): Promise<TestWall> {
  const wall = new TestWall(url)
  t.teardown(() => {
    wall.socket.terminate()
  })
  await wall.opened()
  wall.send({ type: 'hello', ...hello })
  await until(() => wall.of('charts').length > 0, 'the greeting')
  return wall
}

t.test('a new wall gets a snapshot, a heartbeat and the charts, then alerts as they come', async (t) => {
  const { engine, url } = await started(t)
  engine.alert('a_1', 'high')
  engine.sample('fl-kienan', 'level_m', 1000, 2.1, 'flood')
  engine.sample('fl-kienan', 'level_m', 11_000, 2.2, 'flood')
  const wall = await greeted(t, url, { epoch: null, since: null })
  t.strictSame(
    wall.messages.slice(0, 4).map((m) => m.type),
    ['snapshot', 'heartbeat', 'names', 'charts'],
  )
  t.strictSame(wall.of('names')[0]!.sites, { 'kien-an': 'Cầu Kiến An' })
  const snapshot = wall.of('snapshot')[0]!
  t.equal(snapshot.epoch, engine.wall.epoch)
  t.equal(snapshot.seq, 1)
  t.strictSame(
    snapshot.alerts.map((a) => [a.id, a.status, a.level]),
    [['a_1', 'firing', 'high']],
  )
  const chart = wall.of('charts')[0]!.charts[0]!
  t.match(chart, { device: 'fl-kienan', metric: 'level_m', unit: 'm', interval_ms: 10_000, stream: 'flood' })
  t.strictSame(chart.time, [1000, 11_000])
  t.strictSame(chart.value, [2.1, 2.2])
  t.strictSame(
    chart.limits.map((l) => l.name),
    ['alarm1', 'alarm2', 'alarm3'],
    'limits that rules compare with, no others',
  )
  const sent = engine.alert('a_2', 'critical')
  await until(() => wall.of('alert').length === 1, 'the alert')
  t.strictSame(wall.of('alert')[0], sent, 'the transition as replay prints it')
  const heartbeat = wall.of('heartbeat')[0]!
  t.match(heartbeat, {
    epoch: engine.wall.epoch,
    backlog: 0,
    dropped: 0,
    build: 'test',
    newest_event_time: 11_000,
  })
})

t.test(
  'a wall that was away gets what it missed, from its seq inclusive; another epoch gets a snapshot',
  async (t) => {
    const { engine, url } = await started(t)
    for (let i = 1; i <= 5; i++) engine.alert(`a_${i}`, 'low')
    const back = await greeted(t, url, { epoch: engine.wall.epoch, since: 3 })
    t.equal(back.of('snapshot').length, 0)
    t.strictSame(
      back.of('alert').map((m) => m.seq),
      [3, 4, 5],
    )
    const stranger = await greeted(t, url, { epoch: 'of-yesterday', since: 3 })
    t.equal(stranger.of('snapshot')[0]!.alerts.length, 5)
    t.equal(stranger.of('alert').length, 0)
    const none = await greeted(t, url, { epoch: engine.wall.epoch, since: 6 })
    t.equal(none.messages[0]!.type, 'heartbeat', 'nothing missed')
  },
)

t.test('what is no longer in the ring of recent transitions means a snapshot', async (t) => {
  const { engine } = await started(t)
  const { wall } = engine
  for (let i = 1; i <= BOUNDS.wall_recent; i++) engine.alert('a_1', i % 2 === 0 ? 'low' : 'medium')
  t.equal(wall.missed(wall.epoch, 1)!.length, BOUNDS.wall_recent, 'a full ring has them all')
  engine.alert('a_1', 'high')
  t.equal(wall.missed(wall.epoch, 1), null)
  t.equal(wall.missed(wall.epoch, 2), null, 'its oldest record may be incomplete')
  t.equal(wall.missed(wall.epoch, 3)!.length, BOUNDS.wall_recent - 1)
  t.ok(wall.lagOf(3) !== null && wall.lagOf(1) === null && wall.lagOf(99_999) === null)
})

t.test('an alert of a shadow rule is on the board and on no wall', async (t) => {
  const { engine, url } = await started(t)
  const wall = await greeted(t, url)
  engine.alert('a_s', 'high', { shadow: true })
  engine.alert('a_1', 'low')
  await until(() => wall.of('alert').length > 0, 'the alert')
  t.strictSame(
    wall.of('alert').map((a) => a.id),
    ['a_1'],
  )
  t.ok(engine.wall.board.get('a_s'))
  t.strictSame(
    (await greeted(t, url)).of('snapshot')[0]!.alerts.map((a) => a.id),
    ['a_1'],
  )
})

t.test('series frames come under credit: one, and the next only when it was confirmed', async (t) => {
  const { engine, url } = await started(t)
  const now = Date.now()
  engine.sample('air-1', 'pm25_ugm3', now - 3000, 10, 'air')
  engine.sample('air-1', 'pm25_ugm3', now - 2000, 11, 'air')
  const wall = await greeted(t, url, { panels: [{ device: 'air-1', metric: 'pm25_ugm3' }] })
  t.strictSame(wall.of('charts')[0]!.charts[0]!.value, [10, 11])
  engine.sample('air-1', 'pm25_ugm3', now - 1000, 12, 'air')
  engine.wall.tick()
  await until(() => wall.of('series').length === 1, 'the first frame')
  engine.sample('air-1', 'pm25_ugm3', now, 13, 'air')
  engine.wall.tick()
  engine.sample('air-1', 'pm25_ugm3', now + 1000, 14, 'air')
  engine.wall.tick()
  engine.alert('a_1', 'low')
  await until(() => wall.of('alert').length === 1, 'the alert passes the charts')
  t.equal(wall.of('series').length, 1, 'no second frame without credit')
  const frame = wall.of('series')[0]!
  wall.send({ type: 'confirm', frame: frame.frame, held_ms: 12, painted: [[engine.seq, 9.5]] })
  await until(() => wall.of('series').length === 2, 'the frame after the confirmation', 3000)
  const next = wall.of('series')[1]!
  t.strictSame(next.charts[0]!.value, [13, 14], 'all that came meanwhile, in one frame')
  t.ok(wall.of('heartbeat').at(-1)!.dropped >= 2, 'and it is told what it did not get')
  const text = await engine.metrics.metrics()
  t.match(text, /haidang_wall_alert_paint_seconds_count 1/)
  t.match(text, /haidang_wall_frame_draw_seconds_count 1/)
})

t.test('a silence is null in the columns, also across two frames', async (t) => {
  const { engine, url } = await started(t)
  const at = 1_000_000
  for (let i = 0; i < 3; i++) engine.sample('air-1', 'pm25_ugm3', at + i * 1000, i, 'air')
  const wall = await greeted(t, url, { panels: ['air-1/pm25_ugm3'] })
  engine.sample('air-1', 'pm25_ugm3', at + 60_000, 9, 'air')
  engine.sample('air-1', 'pm25_ugm3', at + 61_000, 8, 'air', QUALITY.duplicate)
  engine.wall.tick()
  await until(() => wall.of('series').length === 1, 'the frame')
  t.strictSame(wall.of('series')[0]!.charts[0], {
    id: wall.of('charts')[0]!.charts[0]!.id,
    interval_ms: 1000,
    time: [at + 3000, at + 60_000],
    value: [null, 9],
  })
})

t.test('a wall that does not read is cut off at 1 MiB; the others miss nothing', async (t) => {
  const { engine, url } = await started(t)
  const good = await greeted(t, url)
  const { port } = new URL(url)
  // A client of our own that greets and then never reads again.
  const stuck = connect(Number(port), '127.0.0.1')
  t.teardown(() => {
    stuck.destroy()
  })
  let gone = false
  stuck.on('close', () => {
    gone = true
  })
  stuck.on('error', () => {})
  stuck.write(
    `GET /ws/wall HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Protocol: haidang.wall.v1\r\n\r\n`,
  )
  await new Promise((resolve) => stuck.once('data', resolve))
  stuck.write(masked('{"type":"hello"}'))
  await until(() => engine.wall.walls().length === 2, 'both walls')
  await until(() => engine.wall.walls().some((w) => w.address !== '' && w.last_paint === null), 'listed')
  stuck.pause()
  const long = 'x'.repeat(4000)
  let sent = 0
  while (engine.wall.walls().length === 2 || sent < 2000) {
    for (let i = 0; i < 20; i++) {
      engine.alert(`a_${sent++ % 50}`, 'low', { title: { en: long, vi: long } })
    }
    await new Promise((resolve) => setImmediate(resolve))
    if (sent > 100_000) break
  }
  await until(() => engine.wall.walls().length === 1, 'the slow one is cut')
  stuck.resume()
  await until(() => gone, 'its socket is closed')
  await until(() => good.of('alert').length === sent, 'every alert at the good wall', 20_000)
  t.equal(good.of('alert').length, sent)
  t.match(await engine.metrics.metrics(), /haidang_wall_cut_total\{reason="backlog"\} 1/)
})

t.test('a snapshot may be larger than the backlog allows', async (t) => {
  const { engine, url } = await started(t)
  const long = 'x'.repeat(4000)
  for (let i = 0; i < 400; i++) engine.alert(`a_${i}`, 'low', { title: { en: long, vi: long } })
  const wall = await greeted(t, url)
  t.equal(wall.of('snapshot')[0]!.alerts.length, 400)
  t.ok(engine.wall.snapshot().length > BOUNDS.wall_backlog_bytes)
  engine.alert('a_new', 'low')
  await until(() => wall.of('alert').length === 1, 'it lives on')
})

t.test('bad messages end the connection, and only that one', async (t) => {
  const { engine, url } = await started(t)
  const good = await greeted(t, url)
  const bad: Record<string, (wall: TestWall) => void> = {
    'not JSON': (w) => {
      w.socket.send('{')
    },
    'not an object': (w) => {
      w.socket.send('[]')
    },
    'unknown type': (w) => {
      w.send({ type: 'acknowledge', id: 'a_1' })
    },
    'confirm before hello': (w) => {
      w.send({ type: 'confirm', frame: 1 })
    },
    'since is text': (w) => {
      w.send({ type: 'hello', since: '1' })
    },
    'since is no integer': (w) => {
      w.send({ type: 'hello', since: 1.5 })
    },
    '25 panels': (w) => {
      w.send({ type: 'hello', panels: Array.from({ length: 25 }, () => ({ device: 'x', metric: 'y' })) })
    },
    'a panel of one word': (w) => {
      w.send({ type: 'hello', panels: ['level_m'] })
    },
    'panel without metric': (w) => {
      w.send({ type: 'hello', panels: [{ device: 'x' }] })
    },
    'NaN paint': (w) => {
      w.send({ type: 'hello' })
      w.send({ type: 'confirm', frame: null, painted: [[1, null]] })
    },
    'a second hello': (w) => {
      w.send({ type: 'hello' })
      w.send({ type: 'hello' })
    },
    binary: (w) => {
      w.socket.send(Buffer.from([1, 2, 3]))
    },
    '100 KiB': (w) => {
      w.socket.send('x'.repeat(100 * 1024))
    },
    flood: (w) => {
      w.send({ type: 'hello' })
      for (let i = 0; i < 1000; i++) w.send({ type: 'confirm', frame: null })
    },
    'ping flood': (w) => {
      w.send({ type: 'hello' })
      for (let i = 0; i < 1000; i++) w.socket.ping()
    },
  }
  for (const [name, act] of Object.entries(bad)) {
    const wall = new TestWall(url)
    await wall.opened()
    act(wall)
    await until(() => wall.closed !== null, name)
    t.ok([1003, 1006, 1008, 1009, 1013].includes(wall.closed!.code), `${name}: ${wall.closed!.code}`)
  }
  engine.alert('a_1', 'low')
  await until(() => good.of('alert').length === 1, 'the good wall')
})

t.test('frames of one byte each are taken, a message of 64 KiB in fragments is not', async (t) => {
  const { url } = await started(t)
  const wall = new TestWall(url)
  await wall.opened()
  const hello = '{"type":"hello"}'
  for (let i = 0; i < hello.length; i++) wall.socket.send(hello[i]!, { fin: i === hello.length - 1 })
  await until(() => wall.of('snapshot').length === 1, 'the greeting in fragments')
  for (let i = 0; i < 40; i++) wall.socket.send('x'.repeat(2000), { fin: i === 39 })
  await until(() => wall.closed !== null, 'closed')
  t.equal(wall.closed!.code, 1009)
})

t.test('walls come and go without a trace', async (t) => {
  const { engine, url } = await started(t)
  for (let i = 0; i < 20; i++) {
    const wall = await greeted(t, url)
    wall.socket.close()
  }
  await until(() => engine.wall.walls().length === 0, 'all gone')
  t.match(await engine.metrics.metrics(), /haidang_wall_clients 0/)
})

t.test('200 walls at once: every one has its snapshot within 2 s, and the next alert', async (t) => {
  const { engine, url } = await started(t)
  for (let i = 0; i < 100; i++) engine.alert(`a_${i}`, 'medium')
  const begun = performance.now()
  const walls = await Promise.all(Array.from({ length: 200 }, () => greeted(t, url)))
  const took = performance.now() - begun
  t.comment(`200 walls greeted in ${took.toFixed(0)} ms`)
  t.ok(walls.every((w) => w.of('snapshot')[0]!.alerts.length === 100))
  t.ok(took < 4000, `${took} ms`)
  engine.alert('a_new', 'critical')
  await until(() => walls.every((w) => w.of('alert').length === 1), 'the alert everywhere')
})

t.test('the port taken is said by name', async (t) => {
  const { url } = await started(t)
  const second = new FakeEngine({ port: Number(new URL(url).port) })
  await t.rejects(second.listen(), { code: 'HD_SERVE_PORT' })
})

/** A client's text frame of less than 126 bytes (RFC 6455 5.2), masked with zeros. */
function masked(text: string): Buffer {
  const payload = Buffer.from(text)
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload])
}
