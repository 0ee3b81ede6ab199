import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import type { Problem } from '../../src/server/wire.js'
import { FakeEngine, type FakeOptions } from './fake-engine.js'

async function started(t: Test, options: FakeOptions = {}) {
  const engine = new FakeEngine(options)
  const url = await engine.listen()
  t.teardown(() => engine.close())
  const get = async (where: string) => {
    const answer = await fetch(url + where)
    return { status: answer.status, type: answer.headers.get('content-type'), body: await answer.json() }
  }
  const post = async (where: string, body?: unknown, type = 'application/json') => {
    const answer = await fetch(url + where, {
      method: 'POST',
      ...(body === undefined
        ? {}
        : {
            headers: { 'content-type': type },
            body: typeof body === 'string' ? body : JSON.stringify(body),
          }),
    })
    return { status: answer.status, type: answer.headers.get('content-type'), body: await answer.json() }
  }
  return { engine, url, get, post }
}

function isProblem(
  t: Test,
  answer: { status: number; type: string | null; body: Problem },
  code: string,
): void {
  t.match(answer.type, /^application\/problem\+json/)
  t.match(answer.body, { type: `urn:haidang:error:${code}`, code, status: answer.status })
  for (const key of ['type', 'title', 'detail', 'instance'] as const) t.type(answer.body[key], 'string')
}

t.test('alerts are listed most urgent first, filtered and bounded', async (t) => {
  const { engine, get } = await started(t)
  engine.alert('a_low', 'low', { opened: 1 })
  engine.alert('a_crit_old', 'critical', { opened: 1, category: 'fire' })
  engine.alert('a_crit_new', 'critical', { opened: 2 })
  engine.alert('a_high', 'high', { opened: 1, device: 'x', rule: 'other' })
  engine.alert('a_over', 'medium')
  engine.alert('a_over', 'none', { previous: 'medium' })
  engine.alert('a_shadow', 'critical', { shadow: true })
  engine.act('acknowledge', 'Hoa', 'a_high', {})
  const ids = async (query = '') =>
    (await get(`/api/v1/alerts${query}`)).body.alerts.map((a: { id: string }) => a.id)
  t.strictSame(await ids(), ['a_crit_old', 'a_crit_new', 'a_low', 'a_over', 'a_high'])
  t.strictSame(await ids('?status=returned,acknowledged'), ['a_over', 'a_high'])
  t.strictSame(await ids('?level=high'), ['a_crit_old', 'a_crit_new', 'a_high'])
  t.strictSame(await ids('?category=fire'), ['a_crit_old'])
  t.strictSame(await ids('?device=x'), ['a_high'])
  t.strictSame(await ids('?rule=other'), ['a_high'])
  t.ok((await ids('?shadow=true')).includes('a_shadow'))
  const first = (await get('/api/v1/alerts?limit=1')).body
  t.match(first, { total: 5, seq: engine.seq, epoch: engine.wall.epoch })
  t.equal(first.alerts.length, 1)
  for (const bad of ['?status=open', '?level=none', '?limit=0', '?limit=x', '?colour=red'])
    isProblem(t, await get(`/api/v1/alerts${bad}`), 'HD_SERVE_REQUEST')
})

t.test('an act becomes a command and is answered with its durable seq', async (t) => {
  const { engine, get, post } = await started(t)
  engine.alert('a_1', 'high')
  const acted = await post('/api/v1/alerts/a_1/acknowledge', { note: 'đang đi' })
  t.equal(acted.status, 200)
  t.strictSame(acted.body, { seq: engine.seq, id: 'a_1' })
  t.strictSame(engine.submitted[0], {
    name: 'acknowledge',
    who: 'demo',
    target: 'a_1',
    body: { note: 'đang đi' },
  })
  t.match((await get('/api/v1/alerts/a_1')).body, {
    status: 'acknowledged',
    condition: 'firing',
    acknowledged: { by: 'demo', note: 'đang đi', level: 'high' },
  })
  t.equal((await post('/api/v1/alerts/a_1/acknowledge')).status, 200, 'without a body')
  await post('/api/v1/alerts/a_1/assign', { to: 'Đội cứu hộ' })
  await post('/api/v1/alerts/a_1/note', { note: 'cống đã đóng' })
  await post('/api/v1/alerts/a_1/confirm', { result: 'hút xong' })
  t.match((await get('/api/v1/alerts/a_1')).body, {
    status: 'confirmed',
    assigned: { to: 'Đội cứu hộ' },
    notes: [{ note: 'cống đã đóng' }],
    confirmed: { note: 'hút xong' },
  })
  const now = Date.now()
  await post('/api/v1/alerts/a_1/shelve', { for: '1h', note: 'thử' })
  const { until } = engine.submitted.at(-1)!.body as { until: number }
  t.ok(until >= now + 3_600_000 && until < now + 3_610_000)
  t.match((await get('/api/v1/alerts/a_1')).body, { status: 'shelved', shelved: { until } })
  await post('/api/v1/alerts/a_1/unshelve', {})
  t.match((await get('/api/v1/alerts/a_1')).body, { status: 'confirmed', shelved: null })
})

t.test('what cannot be done is a problem document', async (t) => {
  const { engine, get, post, url } = await started(t)
  engine.alert('a_1', 'high')
  const { seq } = engine
  isProblem(t, await get('/api/v1/alerts/a_none'), 'HD_SERVE_NOT_FOUND')
  isProblem(t, await post('/api/v1/alerts/a_none/note', { note: 'x' }), 'HD_SERVE_NOT_FOUND')
  isProblem(t, await get('/api/v1/nowhere'), 'HD_SERVE_NOT_FOUND')
  isProblem(t, await get('/nowhere'), 'HD_SERVE_NOT_FOUND')
  const bodies: Record<string, readonly [act: string, body: unknown, type?: string]> = {
    'no JSON': ['note', '{'],
    'not an object': ['note', '"x"'],
    'unknown key': ['note', { note: 'x', colour: 'red' }],
    'number for text': ['note', { note: 1 }],
    'needed text missing': ['note', {}],
    'empty text': ['note', { note: '' }],
    'control characters': ['note', { note: 'a\u0000b' }],
    'escape sequence': ['note', { note: 'a\u001b[31m' }],
    'too long': ['note', { note: 'x'.repeat(5000) }],
    'a __proto__ key': ['note', '{"note":"x","__proto__":{"role":"admin"}}'],
    'a constructor key': ['note', '{"note":"x","constructor":{"prototype":{"role":"admin"}}}'],
    'confirm without result': ['confirm', {}],
    'assign to nobody': ['assign', { note: 'x' }],
    'shelve for ever': ['shelve', {}],
    'shelve both ways': ['shelve', { for: '1h', until: Date.now() + 1000 }],
    'shelve for a word': ['shelve', { for: 'long' }],
    'shelve into the past': ['shelve', { until: 5 }],
    'shelve for a month': ['shelve', { for: '30d' }],
    'version as text': ['note', { note: 'x', version: '1' }],
    form: ['note', 'note=x', 'text/plain'],
  }
  for (const [name, [act, body, type]] of Object.entries(bodies)) {
    const answer = await post(`/api/v1/alerts/a_1/${act}`, body, type)
    t.ok(answer.status >= 400 && answer.status < 500, `${name}: ${answer.status}`)
    isProblem(t, answer, 'HD_SERVE_REQUEST')
  }
  const large = await post('/api/v1/alerts/a_1/note', { note: 'x'.repeat(100_000) })
  t.equal(large.status, 413)
  t.equal(engine.seq, seq, 'nothing of this reached the engine')
  t.equal(({} as { role?: string }).role, undefined)
  const wrongMethod = await fetch(`${url}/api/v1/alerts/a_1/note`, { method: 'PUT' })
  t.equal(wrongMethod.status, 404)
  t.strictSame(engine.errors, [], 'and none of it is our fault')
})

t.test('two operators: who acts on an old version is told who was faster', async (t) => {
  const { engine, post } = await started(t)
  engine.alert('a_1', 'high')
  const seen = engine.wall.board.get('a_1')!.seq
  t.equal((await post('/api/v1/alerts/a_1/acknowledge', { version: seen })).status, 200)
  const second = await post('/api/v1/alerts/a_1/acknowledge', { version: seen })
  t.equal(second.status, 409)
  isProblem(t, second, 'HD_SERVE_CONFLICT')
  t.match(second.body.detail, /last by demo/)
  t.equal(engine.submitted.length, 1)
})

t.test('an error of the engine says nothing of our inside', async (t) => {
  const { engine, post } = await started(t)
  engine.alert('a_1', 'high')
  engine.act = () => {
    throw new Error('secret path /data/x')
  }
  const answer = await post('/api/v1/alerts/a_1/acknowledge', {})
  t.equal(answer.status, 500)
  t.notMatch(JSON.stringify(answer.body), /secret/)
  t.equal(engine.errors.length, 1, 'and is reported')
})

t.test('devices come in pages', async (t) => {
  const { get } = await started(t)
  const first = (await get('/api/v1/devices?limit=1')).body
  t.match(first, { devices: [{ device: 'fl-kienan' }], total: 2 })
  const next = (await get(`/api/v1/devices?limit=1&after=${first.next}&search=air`)).body
  t.equal(next.devices.length, 0)
  isProblem(t, await get('/api/v1/devices?limit=100000'), 'HD_SERVE_REQUEST')
})

t.test('history is piped through as bytes; without a store it is 503', async (t) => {
  const seen: unknown[] = []
  const { url } = await started(t, {
    history: {
      async pipe(query, reply: ServerResponse) {
        seen.push(query)
        if (query['device'] === 'bad') throw new Error('store fell over')
        reply.writeHead(200, { 'content-type': 'application/vnd.apache.arrow.stream' })
        reply.write(Buffer.from([1, 2]))
        reply.end(Buffer.from([3]))
      },
    },
  })
  const answer = await fetch(`${url}/api/v1/series?device=fl-1&metric=level_m`)
  t.equal(answer.headers.get('content-type'), 'application/vnd.apache.arrow.stream')
  t.match(answer.headers.get('content-security-policy'), /default-src 'none'/)
  t.strictSame([...new Uint8Array(await answer.arrayBuffer())], [1, 2, 3])
  t.match(seen[0], { device: 'fl-1', metric: 'level_m' })
  const bad = await fetch(`${url}/api/v1/series?device=bad`)
  t.equal(bad.status, 500)
  t.match(await bad.json(), { code: 'HD_SERVE_REQUEST' })
  const off = await started(t)
  const none = await off.get('/api/v1/series?device=x')
  t.equal(none.status, 503)
  isProblem(t, none, 'HD_STORE_CONNECT')
})

t.test('OpenAPI describes every route of /api/v1 by the schema that checks it', async (t) => {
  const { get } = await started(t)
  const { body } = await get('/api/v1/openapi.json')
  t.equal(body.openapi, '3.1.0')
  const described = Object.keys(body.paths).sort()
  t.strictSame(described, [
    '/api/v1/alerts',
    '/api/v1/alerts/{id}',
    '/api/v1/alerts/{id}/acknowledge',
    '/api/v1/alerts/{id}/assign',
    '/api/v1/alerts/{id}/confirm',
    '/api/v1/alerts/{id}/note',
    '/api/v1/alerts/{id}/shelve',
    '/api/v1/alerts/{id}/unshelve',
    '/api/v1/dead-letters',
    '/api/v1/dead-letters/retry',
    '/api/v1/devices',
    '/api/v1/openapi.json',
    '/api/v1/rules',
    '/api/v1/series',
    '/api/v1/session',
    '/api/v1/sources',
    '/api/v1/version',
    '/api/v1/walls',
    '/api/v1/walls/enrolments',
    '/api/v1/walls/enrolments/claim',
    '/api/v1/walls/{id}',
  ])
  const confirm = body.paths['/api/v1/alerts/{id}/confirm'].post
  t.strictSame(confirm['x-roles'], ['operator', 'admin'])
  t.strictSame(confirm.requestBody.content['application/json'].schema.required, ['result'])
  t.equal(confirm.parameters[0].in, 'path')
  t.strictSame(body.paths['/api/v1/version'].get.security, [])
})

t.test('a client that resets in the middle ends nobody else', async (t) => {
  const { url, get } = await started(t)
  const { port } = new URL(url)
  for (let i = 0; i < 20; i++) {
    const socket = connect(Number(port), '127.0.0.1')
    await new Promise((resolve) => socket.once('connect', resolve))
    socket.write(
      `GET /ws/wall HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    )
    socket.resetAndDestroy()
  }
  for (const text of [
    'GET /ws/wall HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
    '\u0000\u0001',
    'GET //[ HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
  ]) {
    const socket = connect(Number(port), '127.0.0.1')
    socket.on('error', () => {})
    socket.resume()
    socket.write(text)
    await new Promise((resolve) => socket.once('close', resolve))
  }
  t.equal((await get('/healthz')).status, 200)
})
