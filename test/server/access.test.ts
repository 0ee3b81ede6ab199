import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { Access } from '../../src/server/access.js'
import { Attempts } from '../../src/server/attempts.js'
import { Enrolments } from '../../src/server/enrolment.js'
import { Tokens } from '../../src/server/tokens.js'
import type { Role } from '../../src/server/wire.js'
import { FakeEngine, REAL_CLOCK, TestWall, temporaryFolder, until } from './fake-engine.js'

class HandClock {
  ms = 1_700_000_000_000
  now(): number {
    return this.ms
  }
  monotonic(): number {
    return this.ms
  }
}

async function guarded(t: Test, origins: string[] = []) {
  const tokens = await Tokens.open(path.join(temporaryFolder(t), 'tokens.json'), REAL_CLOCK)
  const of = {} as Record<Role, string>
  for (const role of ['wall', 'operator', 'analyst', 'admin'] as const)
    of[role] = (await tokens.create(`the ${role}`, role)).token
  const engine = new FakeEngine({ access: { kind: 'tokens', tokens }, origins })
  const url = await engine.listen()
  t.teardown(() => engine.close())
  const call = (method: string, where: string, token: string | null, body?: object, headers = {}) =>
    fetch(url + where, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: 'manual',
    })
  return { tokens, of, engine, url, call }
}

async function refusedSocket(wall: TestWall): Promise<number> {
  try {
    await wall.opened()
    return 101
  } catch (error) {
    return (error as { status?: number }).status ?? 0
  }
}

t.test('each role may do what is its own, and admin everything', async (t) => {
  const { engine, of, call } = await guarded(t)
  engine.alert('a_1', 'high')
  const table: readonly [
    method: string,
    where: string,
    body: object | undefined,
    allowed: readonly Role[],
  ][] = [
    ['GET', '/api/v1/alerts', undefined, ['wall', 'operator', 'analyst']],
    ['GET', '/api/v1/alerts/a_1', undefined, ['wall', 'operator', 'analyst']],
    ['POST', '/api/v1/alerts/a_1/acknowledge', {}, ['operator']],
    ['POST', '/api/v1/alerts/a_1/confirm', { result: 'pumped' }, ['operator']],
    ['POST', '/api/v1/alerts/a_1/assign', { to: 'fire' }, ['operator']],
    ['POST', '/api/v1/alerts/a_1/shelve', { for: '15m' }, ['operator']],
    ['POST', '/api/v1/alerts/a_1/unshelve', {}, ['operator']],
    ['POST', '/api/v1/alerts/a_1/note', { note: 'x' }, ['operator']],
    ['GET', '/api/v1/devices', undefined, ['wall', 'operator', 'analyst']],
    ['GET', '/api/v1/sources', undefined, ['wall', 'operator', 'analyst']],
    ['GET', '/api/v1/rules', undefined, ['wall', 'operator', 'analyst']],
    ['GET', '/api/v1/dead-letters', undefined, []],
    ['POST', '/api/v1/dead-letters/retry', {}, []],
    ['GET', '/api/v1/walls', undefined, ['operator']],
  ]
  for (const [method, where, body, allowed] of table) {
    const anonymous = await call(method, where, null, body)
    t.equal(anonymous.status, 401, `${where}: nobody`)
    t.match(anonymous.headers.get('www-authenticate'), /Bearer/)
    for (const role of ['wall', 'operator', 'analyst', 'admin'] as const) {
      const { status } = await call(method, where, of[role], body)
      const may = role === 'admin' || allowed.includes(role)
      t.equal(status, may ? 200 : 403, `${method} ${where}: ${role}`)
    }
  }
  const { status } = await call('GET', '/api/v1/alerts', `${of.admin}x`)
  t.equal(status, 401, 'a token off by a letter')
})

t.test('the pages, probes, metrics and the description need no token', async (t) => {
  const { call, engine } = await guarded(t)
  for (const where of [
    '/wall',
    '/ui/wall/main.js',
    '/healthz',
    '/readyz',
    '/metrics',
    '/api/v1/version',
    '/api/v1/openapi.json',
  ])
    t.equal((await call('GET', where, null)).status, 200, where)
  t.equal((await call('GET', '/', null)).headers.get('location'), '/wall')
  engine.reasons = ['source mqtt is down']
  const ready = await call('GET', '/readyz', null)
  t.equal(ready.status, 503)
  t.strictSame(await ready.json(), { ready: false, reasons: ['source mqtt is down'] })
  t.equal((await call('GET', '/ui/../package.json', null)).status, 404)
  t.equal((await call('GET', '/ui/%2e%2e/package.json', null)).status, 404)
})

t.test('a browser changes its token into a cookie, never into a URL', async (t) => {
  const { call, of, url, tokens, engine } = await guarded(t)
  engine.alert('a_1', 'high')
  t.equal((await call('POST', '/api/v1/session', null, { token: 'hd_wrong' })).status, 401)
  const login = await call('POST', '/api/v1/session', null, { token: of.operator })
  t.equal(login.status, 200)
  t.strictSame(await login.json(), { name: 'the operator', role: 'operator', open: false })
  const cookie = login.headers.get('set-cookie')!
  t.match(cookie, /^haidang_session=\S+; Path=\/; HttpOnly; SameSite=Strict; Max-Age=\d+$/)
  t.notMatch(cookie, new RegExp(of.operator), 'the cookie does not hold the token')
  const value = cookie.split(';')[0]!
  const session = await call('GET', '/api/v1/session', null, undefined, { cookie: value })
  t.match(await session.json(), { role: 'operator' })
  const act = await call('POST', '/api/v1/alerts/a_1/acknowledge', null, {}, { cookie: value })
  t.equal(act.status, 200)
  t.match(engine.submitted, [
    { name: 'session', who: 'the operator', target: '', body: { role: 'operator' } },
    { name: 'acknowledge', who: 'the operator', target: 'a_1' },
  ])
  for (const forged of [
    `${value}x`,
    value.replace(/\.\d+\./, '.99999999999999.'),
    'haidang_session=a.b',
    'haidang_session=',
  ])
    t.equal(
      (await call('GET', '/api/v1/session', null, undefined, { cookie: forged })).status,
      401,
      forged.slice(0, 40),
    )
  t.equal(
    (await call('GET', `/api/v1/alerts?token=${of.admin}`, null)).status,
    401,
    'a token in the URL is not read',
  )
  const inUrl = new TestWall(`${url}/ws/wall?token=${of.admin}&rest=`)
  t.equal(await refusedSocket(inUrl), 401, 'nor by the socket')
  const out = await call('DELETE', '/api/v1/session', null, undefined, { cookie: value })
  t.match(out.headers.get('set-cookie'), /Max-Age=0/)
  const { id } = tokens.list().find((entry) => entry.role === 'operator')!
  await tokens.remove(id)
  t.equal(
    (await call('GET', '/api/v1/session', null, undefined, { cookie: value })).status,
    401,
    'gone with its token',
  )
})

t.test('ten wrong tokens a minute, then 429; the right one still passes', async (t) => {
  const { call, of } = await guarded(t)
  const statuses: number[] = []
  for (let i = 0; i < 12; i++)
    statuses.push((await call('POST', '/api/v1/session', null, { token: `hd_${i}` })).status)
  t.strictSame(statuses, [...Array(10).fill(401), 429, 429])
  t.equal((await call('POST', '/api/v1/session', null, { token: of.admin })).status, 200)
})

t.test('wrong tokens are counted at every door', async (t) => {
  const { call, url, of } = await guarded(t)
  for (let i = 0; i < 6; i++) t.equal((await call('GET', '/api/v1/alerts', `hd_${i}`)).status, 401)
  for (let i = 0; i < 4; i++)
    t.equal(await refusedSocket(new TestWall(url, { authorization: `Bearer hd_${i}` })), 401)
  t.equal(await refusedSocket(new TestWall(url, { authorization: 'Bearer hd_x' })), 429)
  const answer = await call('GET', '/api/v1/alerts', 'hd_y')
  t.equal(answer.status, 429)
  t.equal(answer.headers.get('retry-after'), '60')
  t.equal((await call('GET', '/api/v1/alerts', of.wall)).status, 200)
  t.equal((await call('GET', '/api/v1/alerts', null)).status, 401, 'no token at all is no attempt')
})

t.test('the wall socket: Origin, token, role, subprotocol, and the end of a token', async (t) => {
  const { url, of, tokens } = await guarded(t, ['https://wall.city.example'])
  const host = new URL(url).host
  const bearer = (role: Role, more = {}) => ({ authorization: `Bearer ${of[role]}`, ...more })
  t.equal(await refusedSocket(new TestWall(url)), 401, 'no token')
  t.equal(await refusedSocket(new TestWall(url, { authorization: 'Bearer hd_wrong' })), 401)
  t.equal(await refusedSocket(new TestWall(url, bearer('analyst'))), 403, 'not for analysts')
  t.equal(await refusedSocket(new TestWall(url, bearer('wall', { origin: 'https://evil.example' }))), 403)
  t.equal(await refusedSocket(new TestWall(url, bearer('wall', { origin: 'null' }))), 403)
  t.equal(
    await refusedSocket(new TestWall(url, bearer('wall', { origin: `http://${host}.evil.example` }))),
    403,
  )
  t.equal(await refusedSocket(new TestWall(url, bearer('wall'), 'mqtt')), 400, 'another subprotocol')
  const good: TestWall[] = []
  for (const headers of [
    bearer('wall'),
    bearer('operator'),
    bearer('admin'),
    bearer('wall', { origin: `http://${host}` }),
    bearer('wall', { origin: 'https://wall.city.example' }),
  ]) {
    const wall = new TestWall(url, headers)
    t.equal(await refusedSocket(wall), 101)
    t.equal(wall.socket.protocol, 'haidang.wall.v1')
    good.push(wall)
  }
  const first = good[0]!
  first.send({ type: 'hello' })
  await until(() => first.of('snapshot').length === 1, 'it works')
  await tokens.remove(tokens.list().find((entry) => entry.role === 'wall')!.id)
  await until(() => first.closed !== null, 'the wall of a removed token is shut out')
  t.equal(first.closed!.code, 1008)
  t.equal(good[1]!.closed, null, 'the others stay')
  for (const wall of good) wall.socket.terminate()
})

t.test('a wall is let in by a code that an operator types once', async (t) => {
  const { call, of, url, tokens, engine } = await guarded(t)
  const asked = await (await call('POST', '/api/v1/walls/enrolments', null)).json()
  t.match(asked.code, /^\d{8}$/)
  const claim = (secret = asked.secret) =>
    call('POST', '/api/v1/walls/enrolments/claim', null, { code: asked.code, secret })
  t.equal((await claim()).status, 202, 'not yet')
  t.equal((await claim('x'.repeat(43))).status, 404, 'the code alone gives nothing')
  const letIn = (token: string | null, code = asked.code) =>
    call('POST', '/api/v1/walls', token, { code, name: 'Phòng trực 1' })
  t.equal((await letIn(of.wall)).status, 403)
  t.equal((await letIn(null)).status, 401)
  t.equal((await letIn(of.operator, '00000000')).status, 404)
  t.equal((await letIn(of.operator)).status, 201)
  t.equal((await letIn(of.operator)).status, 404, 'once')
  const claimed = await claim()
  t.equal(claimed.status, 200)
  t.strictSame(await claimed.json(), { name: 'Phòng trực 1', role: 'wall', open: false })
  t.equal((await claim()).status, 404, 'once')
  const cookie = claimed.headers.get('set-cookie')!.split(';')[0]!
  t.match(claimed.headers.get('set-cookie'), /Max-Age=345(59|60)/, '400 days')
  const wall = new TestWall(url, { cookie, origin: url })
  t.equal(await refusedSocket(wall), 101)
  t.equal((await call('POST', '/api/v1/alerts/a/acknowledge', null, {}, { cookie })).status, 403)
  const listed = await (await call('GET', '/api/v1/walls', of.operator)).json()
  t.match(listed, { connected: [{ name: 'Phòng trực 1' }] })
  const { id } = tokens.list().find((entry) => entry.name === 'Phòng trực 1')!
  t.equal((await call('DELETE', `/api/v1/walls/${id}`, of.operator)).status, 204)
  await until(() => wall.closed !== null, 'shut out')
  t.match(engine.submitted, [
    { name: 'walls', who: 'the operator', body: { act: 'enrol', wall: 'Phòng trực 1' } },
    { name: 'walls', who: 'the operator', body: { act: 'remove', wall: 'Phòng trực 1' } },
  ])
})

t.test('a demo is open to this machine and to nobody behind a proxy', async (t) => {
  const engine = new FakeEngine()
  const url = await engine.listen()
  t.teardown(() => engine.close())
  const { port } = new URL(url)
  const status = async (headers: Record<string, string>) =>
    (await rawGet(Number(port), '/api/v1/alerts', headers)).status
  t.equal(await status({ host: `127.0.0.1:${port}` }), 200)
  t.equal(await status({ host: `localhost:${port}` }), 200)
  t.equal(await status({ host: 'evil.example' }), 403, 'a rebound name')
  t.equal(await status({ host: `127.0.0.1.evil.example:${port}` }), 403)
  t.equal(await status({ host: `127.0.0.1:${port}`, origin: 'https://evil.example' }), 403)
  t.equal(await status({ host: `127.0.0.1:${port}`, origin: `http://127.0.0.1:${port}` }), 200)
  for (const name of [
    'x-forwarded-for',
    'x-forwarded-host',
    'x-forwarded-proto',
    'forwarded',
    'via',
    'x-real-ip',
  ])
    t.equal(await status({ host: `127.0.0.1:${port}`, [name]: '127.0.0.1' }), 403, name)
  t.equal(await refusedSocket(new TestWall(url, { 'x-forwarded-for': '10.0.0.1' })), 403)
  t.equal(await refusedSocket(new TestWall(url, { origin: 'https://evil.example' })), 403)
  const wall = new TestWall(url)
  t.equal(await refusedSocket(wall), 101)
  wall.socket.terminate()
  t.strictSame(await (await fetch(`${url}/api/v1/session`)).json(), {
    name: 'demo',
    role: 'admin',
    open: true,
  })
  await t.rejects(openBeyondLoopback(), { code: 'HD_CONFIG_VALUE' }, 'and never listens beyond loopback')
})

t.test('headers: no inline script, no frame, no sniffing', async (t) => {
  const { call } = await guarded(t)
  for (const where of ['/wall', '/ui/wall/main.js', '/api/v1/alerts', '/nowhere']) {
    const { headers } = await call('GET', where, null)
    const csp = headers.get('content-security-policy') ?? ''
    t.match(csp, /default-src 'none'/, where)
    t.match(csp, /frame-ancestors 'none'/)
    t.notMatch(csp, /unsafe/)
    t.equal(headers.get('x-content-type-options'), 'nosniff')
  }
})

t.test(
  'tokens are kept hashed, readable by their owner only, and taken over when another process writes',
  async (t) => {
    const clock = new HandClock()
    const file = path.join(temporaryFolder(t), 'tokens.json')
    const tokens = await Tokens.open(file, clock)
    const { token, id } = await tokens.create('ops', 'operator', clock.ms + 1000)
    t.match(token, /^hd_[\w-]{43}$/)
    t.equal(statSync(file).mode & 0o777, 0o600)
    t.notOk(readFileSync(file, 'utf8').includes(token.slice(3)), 'not in the file')
    t.strictSame(tokens.verify(token), { id, name: 'ops', role: 'operator' })
    const cookie = tokens.session(id)
    t.equal(cookie.seconds, 1, 'a cookie lives no longer than its token')

    const other = await Tokens.open(file, clock)
    t.strictSame(other.verifySession(cookie.value), { id, name: 'ops', role: 'operator' }, 'after a restart')
    const added = await other.create('wall 2', 'wall')
    t.equal(tokens.verify(added.token), null)
    await tokens.refresh()
    t.match(tokens.verify(added.token), { name: 'wall 2' })
    await other.remove(added.id)
    await tokens.refresh()
    t.equal(tokens.verify(added.token), null, 'and what it removed is gone')

    clock.ms += 1001
    t.equal(tokens.verify(token), null, 'out of date')
    t.equal(tokens.verifySession(cookie.value), null)
    t.equal(tokens.holds(id), false)

    tokens.adopt('HAIDANG_TOKEN', 'admin', 'a-secret-of-the-environment')
    t.match(tokens.verify('a-secret-of-the-environment'), { role: 'admin' })
    await tokens.create('x', 'wall')
    t.notOk(readFileSync(file, 'utf8').includes('"env"'), 'a token of the environment is not written down')
    t.throws(() => tokens.adopt('x', 'admin', 'short'), { code: 'HD_CONFIG_VALUE' })

    for (const bad of [
      '',
      '{',
      '[]',
      '{"version":2,"key":"","tokens":[]}',
      '{"version":1,"key":"a","tokens":[{"id":1}]}',
    ]) {
      writeFileSync(file, bad)
      chmodSync(file, 0o600)
      await t.rejects(Tokens.open(file, clock), { code: 'HD_CONFIG_SYNTAX' }, bad)
    }
  },
)

t.test('codes and attempts run out', async (t) => {
  const clock = new HandClock()
  const enrolments = new Enrolments(clock)
  const first = enrolments.begin()
  t.ok(enrolments.isWaiting(first.code))
  clock.ms += 10 * 60_000
  t.notOk(enrolments.isWaiting(first.code))
  t.equal(enrolments.claim(first.code, first.secret), null)
  const oldest = enrolments.begin()
  for (let i = 0; i < 100; i++) enrolments.begin()
  t.notOk(enrolments.isWaiting(oldest.code), 'the oldest of a hundred gives way')
  const attempts = new Attempts(clock)
  for (let i = 0; i < 10; i++) t.notOk(attempts.wrong('a'))
  t.ok(attempts.wrong('a'))
  t.notOk(attempts.wrong('b'))
  clock.ms += 60_001
  t.notOk(attempts.wrong('a'), 'a minute later')
  for (let i = 0; i < 20_000; i++) attempts.wrong(`c${i}`)
  t.pass('bounded')
})

t.test('a request from beyond loopback is refused by an open server even if it arrives', async (t) => {
  const access = new Access({ kind: 'open' }, [])
  t.match(access.refusal({ host: '127.0.0.1:8080' }, '10.1.2.3'), { status: 403 })
  t.equal(access.refusal({ host: '127.0.0.1:8080' }, '::ffff:127.0.0.1'), null)
  t.equal(access.refusal({ host: '[::1]:8080' }, '::1'), null)
})

async function openBeyondLoopback(): Promise<unknown> {
  const { createServer } = await import('../../src/server/server.js')
  const engine = new FakeEngine()
  return createServer({
    host: '0.0.0.0',
    port: 0,
    wall: engine.wall,
    access: { kind: 'open' },
  } as Parameters<typeof createServer>[0])
}

/** fetch() sets Host itself: this does not. */
async function rawGet(
  port: number,
  where: string,
  headers: Record<string, string>,
): Promise<{ status: number }> {
  const { request } = await import('node:http')
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path: where, headers, setHost: false }, (response) => {
      response.resume()
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0 })
      })
    })
      .on('error', reject)
      .end()
  })
}
