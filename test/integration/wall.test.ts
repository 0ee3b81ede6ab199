/**
 * The wall in a real Chromium, fed through the real server by an engine small enough to see through: what a person in
 * front of the screen would see. Screenshots go to a temporary folder (HAIDANG_SHOTS keeps them elsewhere).
 */
import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { Tokens } from '../../src/server/tokens.js'
import { FakeEngine, PAGES, REAL_CLOCK, temporaryFolder, until } from '../server/fake-engine.js'

const CHROMIUM = '/usr/bin/chromium'
const XSS = '<img src=x onerror="document.title=1">'

const skip = !existsSync(CHROMIUM)
  ? 'chromium is not installed'
  : !existsSync(path.join(PAGES, 'wall/main.js'))
    ? 'the pages are not built'
    : false

// A browser that draws in software, on a machine that others use too.
t.setTimeout(180_000)
let browser: Browser
t.before(async () => {
  if (skip !== false) return
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
})
t.after(async () => {
  await browser?.close()
})

async function opened(
  t: Test,
  url: string,
  query = '',
  size = { width: 1920, height: 1080 },
): Promise<{ page: Page; errors: string[] }> {
  const context = await browser.newContext({ viewport: size })
  t.teardown(() => context.close())
  const page = await context.newPage()
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(String(error)))
  page.on('console', (message) => {
    // A refused connection is what some of these tests are about.
    if (message.type() === 'error' && !/ERR_CONNECTION|WebSocket connection|401/.test(message.text()))
      errors.push(message.text())
  })
  await page.goto(`${url}/wall${query}`)
  return { page, errors }
}

/** The page has painted two more of its seconds. */
async function settled(page: Page): Promise<void> {
  const clock = page.locator('.clock')
  for (let i = 0; i < 2; i++) {
    const before = await clock.textContent()
    await page.waitForFunction((text) => document.querySelector('.clock')?.textContent !== text, before)
  }
}

/** A quarter of an hour of a small city, up to now, then alerts of every kind. */
function fillCity(engine: FakeEngine, now: number): void {
  const walk = (seed: number, i: number): number =>
    Math.sin(i / 17 + seed) + 0.35 * Math.sin(i / 3 + seed * 7)
  for (let i = 0; i < 90; i++) {
    const at = now - (90 - i) * 10_000
    engine.sample('fl-kienan', 'level_m', at, 2.2 + 0.006 * i + 0.02 * walk(1, i), 'flood')
    engine.sample('fl-anlao', 'level_m', at, 1.1 + 0.1 * walk(2, i), 'flood')
    if (i < 40 || i > 55) engine.sample('air-7', 'pm25_ugm3', at, 40 + 18 * walk(3, i) + i / 3, 'air')
    engine.sample('air-2', 'pm25_ugm3', at, 30 + 10 * walk(4, i), 'air')
    if (i < 60) engine.sample(XSS, 'temp_c', at, 31 + 2 * walk(5, i), 'sensor')
    engine.sample('kho-12', 'temp_c', at, 33 + 0.3 * Math.max(0, i - 60) + walk(6, i), 'sensor')
    engine.sample('bus-09', 'speed_kmh', at, Math.max(0, 34 + 18 * walk(7, i)), 'gps')
    engine.sample('bus-21', 'speed_kmh', at, Math.max(0, 28 + 14 * walk(8, i)), 'gps')
    engine.sample('rain-1', 'rain_mm', at, Math.max(0, 4 * walk(9, i)), 'flood')
    engine.sample('cam-bendongdau', 'people_count', at, Math.round(12 + 6 * walk(10, i)), 'camera')
    engine.sample('cam-quangtruong', 'people_count', at, Math.round(42 + 16 * walk(11, i)), 'camera')
    engine.sample('fl-catba', 'level_m', at, 0.8 + 0.4 * walk(12, i), 'flood')
  }
}

function raiseAlerts(engine: FakeEngine, now: number): void {
  const place = (device: string, ward: string, metric: string, value: number) => ({
    device,
    ward,
    site: '',
    key: { device },
    values: { [metric]: value },
  })
  const words = (vi: string, en: string) => ({ title: { vi, en }, short: { vi, en } })
  engine.alert('a_flood', 'high', {
    ...place('fl-kienan', 'Kiến An', 'level_m', 2.71),
    ...words('Báo động III sau 44 phút', 'Alarm III in 44 min'),
    opened: now - 13 * 60_000,
  })
  engine.alert('a_fire', 'critical', {
    ...place('kho-12', 'Đông Hải', 'temp_c', 61.2),
    ...words('Khói rồi nhiệt tăng nhanh', 'Smoke, then fast heat'),
    category: 'fire',
    opened: now - 95_000,
  })
  engine.alert('a_air', 'medium', {
    ...place('air-7', 'Hồng Bàng', 'pm25_ugm3', 92.4),
    ...words('PM2,5 cao bất thường 3 giờ', 'PM2.5 unusually high for 3 h'),
    category: 'pollution',
    opened: now - 3 * 3_600_000,
  })
  engine.act('acknowledge', 'Hoa', 'a_air', { note: 'đã gọi trạm' })
  engine.alert('a_xss', 'low', {
    ...place(XSS, 'Ngô Quyền', 'temp_c', 33),
    ...words('Cảm biến im lặng', 'Sensor silent'),
    category: 'system',
    status: 'unknown',
    opened: now - 12 * 60_000,
  })
  engine.alert('a_bus', 'low', {
    ...place('bus-09', 'Lê Chân', 'speed_kmh', 74),
    ...words('Xe buýt 09 chạy quá tốc độ', 'Bus 09 is speeding'),
    category: 'traffic',
    opened: now - 40_000,
  })
  engine.alert('a_crowd', 'medium', {
    ...place('cam-quangtruong', 'Hồng Bàng', 'people_count', 64),
    ...words('Đám đông ở quảng trường', 'Crowd in the square'),
    category: 'security',
    unconfirmed: true,
    announced: 'low',
    opened: now - 5 * 60_000,
  })
  engine.alert('a_over', 'medium', {
    ...place('fl-catba', 'Cát Bà', 'level_m', 2.1),
    ...words('Triều cường trên mức I', 'Tide above alarm I'),
    opened: now - 50 * 60_000,
  })
  engine.alert('a_over', 'none', {
    ...place('fl-catba', 'Cát Bà', 'level_m', 1.7),
    ...words('Triều cường trên mức I', 'Tide above alarm I'),
    previous: 'medium',
    opened: now - 50 * 60_000,
  })
}

t.test('alerts and charts appear, and everything fits', { skip }, async (t) => {
  const engine = new FakeEngine()
  const url = await engine.listen()
  t.teardown(() => engine.close())
  const shots = process.env['HAIDANG_SHOTS'] ?? temporaryFolder(t)
  mkdirSync(shots, { recursive: true })
  fillCity(engine, Date.now())
  raiseAlerts(engine, Date.now())

  const HD = { width: 1920, height: 1080 }
  const UHD = { width: 3840, height: 2160 }
  for (const [query, size, name] of [
    ['', HD, '1080p-vi'],
    ['?lang=en', UHD, '4k-en'],
    ['?dist=8&height=1.52', HD, '1080p-k135'],
    ['?layout=trends', HD, 'trends'],
    ['?layout=alerts', HD, 'alerts'],
    // Looked at by people, the same to a machine.
    ...(process.env['HAIDANG_SHOTS'] === undefined
      ? []
      : ([
          ['?lang=en', HD, '1080p-en'],
          ['', UHD, '4k-vi'],
          ['', { width: 3840, height: 1080 }, 'wide'],
        ] as const)),
  ] as const) {
    const { page, errors } = await opened(t, url, query, size)
    await page.waitForSelector('.chip.live')
    if (!query.includes('trends')) await page.waitForSelector('.alert:not([hidden])')
    if (!query.includes('alerts')) await page.waitForSelector('.tile .plot canvas')
    await settled(page)
    await page.screenshot({ path: path.join(shots, `${name}.png`) })
    const broken = await page.evaluate(overflowing)
    t.strictSame(broken, [], `${name}: nothing overflows its box`)
    t.strictSame(errors, [], `${name}: no error in the page`)
    if (name === '1080p-vi') {
      t.equal(await page.locator('.alert:not([hidden])').count(), 5, 'six places: five rows and what is left')
      t.match(await page.locator('.more').textContent(), /^\+2 nữa/)
      t.equal(await page.locator('.alert .title').first().textContent(), 'Khói rồi nhiệt tăng nhanh')
      t.equal(await page.locator('.bar .count.critical .number').textContent(), '1')
      t.match(await page.locator('.alert .place').allTextContents(), [/(?:)/])
      const places = await page.locator('.alert .place').allTextContents()
      t.ok(
        places.some((text) => text.includes(XSS)),
        'markup in a name is text',
      )
      t.equal(await page.locator('img').count(), 0)
      t.equal(await page.title(), 'Hải Đăng')
      t.ok((await page.locator('.tile .plot canvas').count()) >= 10)
    }
    await page.context().close()
  }
})

t.test('an alert is on the screen at once, and the page says when it painted it', { skip }, async (t) => {
  const engine = new FakeEngine()
  const url = await engine.listen()
  t.teardown(() => engine.close())
  const { page } = await opened(t, url)
  await page.waitForSelector('.chip.live')
  const now = Date.now()
  engine.alert('a_1', 'critical', { short: { vi: 'Cháy', en: 'Fire' } })
  await page.waitForSelector('.alert.filled.critical')
  t.ok(Date.now() - now < 1000)
  t.equal(await page.locator('.alert .title').first().textContent(), 'Cháy')
  await until(() => engine.wall.walls()[0]?.last_paint !== null, 'the paint report')
  t.match(await engine.metrics.metrics(), /haidang_wall_alert_paint_seconds_count 1/)
  engine.act('acknowledge', 'Hoa', 'a_1', {})
  await page.waitForSelector('.alert.seen.critical')
  t.match(await page.locator('.alert .age').first().textContent(), /Hoa/)
})

t.test(
  'LIVE, server gone: DISCONNECTED within 3 s, then back by itself with what it missed',
  { skip },
  async (t) => {
    const engine = new FakeEngine({ epoch: 'one' })
    const url = await engine.listen()
    t.teardown(() => engine.close())
    fillCity(engine, Date.now())
    raiseAlerts(engine, Date.now())
    const { page } = await opened(t, url)
    await page.waitForSelector('.chip.live')
    await page.waitForSelector('.alert.filled')
    await page.evaluate(() => {
      ;(globalThis as unknown as { sameLife: boolean }).sameLife = true
    })
    const port = Number(new URL(url).port)
    const gone = Date.now()
    await engine.close()
    await page.waitForSelector('.chip.disconnected', { timeout: 5000 })
    const took = Date.now() - gone
    t.comment(`DISCONNECTED after ${took} ms`)
    t.ok(took < 3500, `${took} ms`)
    await page.waitForSelector('.banner.disconnected')
    const shots = process.env['HAIDANG_SHOTS']
    if (shots !== undefined) await page.screenshot({ path: path.join(shots, 'disconnected.png') })
    const fill = await page
      .locator('.alert.filled')
      .first()
      .evaluate((row) => getComputedStyle(row).backgroundColor)
    t.equal(fill, 'rgb(21, 24, 27)', 'no fill claims to be news')
    t.strictSame(await page.evaluate(overflowing), [], 'the banner pushes nothing out')

    const next = new FakeEngine({ epoch: 'two', port })
    await next.listen()
    t.teardown(() => next.close())
    next.alert('a_after', 'high', { short: { vi: 'Sau khi khởi động lại', en: 'After the restart' } })
    await page.waitForSelector('.chip.live', { timeout: 20_000 })
    await page.waitForFunction(() => document.querySelectorAll('.alert:not([hidden])').length === 1)
    t.equal(await page.locator('.alert .title').first().textContent(), 'Sau khi khởi động lại')
    t.equal(
      await page.evaluate(() => (globalThis as unknown as { sameLife?: boolean }).sameLife),
      true,
      'without loading anew',
    )
  },
)

t.test('a server that stops talking is noticed too', { skip }, async (t) => {
  const engine = new FakeEngine()
  const url = await engine.listen()
  t.teardown(() => engine.close())
  const { page } = await opened(t, url)
  await page.waitForSelector('.chip.live')
  await engine.wall.close() // stops heartbeats; the closing handshake is answered by the page, which comes back …
  await page.waitForSelector('.chip.disconnected', { timeout: 8000 }) // … and finds a server that says nothing
  engine.wall.start()
  await page.waitForSelector('.chip.live', { timeout: 20_000 })
  t.pass('and its return')
})

t.test('backlog, delay, replay and a wrong clock are said', { skip }, async (t) => {
  const shift = { ms: 0 }
  const engine = new FakeEngine({
    clock: { now: () => Date.now() + shift.ms, monotonic: () => performance.now() },
  })
  const url = await engine.listen()
  t.teardown(() => engine.close())
  engine.sample('air-1', 'pm25_ugm3', Date.now() - 42_000, 10, 'air')
  const { page } = await opened(t, url)
  await page.waitForSelector('.chip.live')
  engine.backlog = 500
  await page.waitForSelector('.chip.delayed')
  t.match(await page.locator('.chip').first().textContent(), /TRỄ 00:4\d/)
  shift.ms = 7 * 60_000
  await page.waitForSelector('.chip.backlog')
  await page.waitForSelector('.banner.backlog')
  t.match(await page.locator('.bar').textContent(), /LỆCH GIỜ 420 s/)
  const shown = await page.locator('.clock').textContent()
  const expected = new Intl.DateTimeFormat('en-GB', {
    timeZone: 'Asia/Ho_Chi_Minh',
    hour: '2-digit',
    minute: '2-digit',
  }).format(Date.now() + shift.ms)
  t.equal(shown?.slice(0, 5), expected, "the server's time, not the computer's")

  const replay = new FakeEngine({ clockMode: 'event' })
  const other = await replay.listen()
  t.teardown(() => replay.close())
  const at = Date.UTC(2017, 8, 10, 20, 0)
  replay.sample('fl-kienan', 'level_m', at, 2, 'flood')
  const second = await opened(t, other, '?tz=UTC&lang=en')
  await second.page.waitForSelector('.chip.replay')
  t.equal(await second.page.locator('.chip').first().textContent(), 'REPLAY 20:00')
  t.equal(await second.page.locator('.date').textContent(), '10/09/2017')
})

t.test('a gap is a gap: no pixel of the line between its edges', { skip }, async (t) => {
  const engine = new FakeEngine()
  const url = await engine.listen()
  t.teardown(() => engine.close())
  const now = Date.now()
  for (let i = 0; i < 100; i++)
    if (i < 30 || i > 70) engine.sample('air-1', 'pm25_ugm3', now - (100 - i) * 1000, 50, 'air')
  const { page } = await opened(t, url)
  await page.waitForSelector('.chip.live')
  await page.waitForSelector('.tile .plot canvas')
  await settled(page)
  const columns = await page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>('.tile .plot canvas')!
    const { width, height } = canvas
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, width, height)
    // Columns with a pixel of the trend colour #8FA3B5.
    const found: number[] = []
    for (let x = 0; x < width; x++)
      for (let y = 0; y < height; y++) {
        const i = (y * width + x) * 4
        if (
          Math.abs(data[i]! - 0x8f) < 6 &&
          Math.abs(data[i + 1]! - 0xa3) < 6 &&
          Math.abs(data[i + 2]! - 0xb5) < 6
        ) {
          found.push(x)
          break
        }
      }
    return { found, width }
  })
  t.ok(columns.found.length > 50, `a line is there: ${columns.found.length} columns`)
  const jumps = columns.found.slice(1).map((x, i) => x - columns.found[i]!)
  const widest = Math.max(...jumps)
  t.ok(widest > columns.width * 0.15, `and ${widest} of ${columns.width} px without it`)
})

t.test(
  'a screen that may not come in shows a code; typed by an operator, it goes live',
  { skip },
  async (t) => {
    const tokens = await Tokens.open(path.join(temporaryFolder(t), 'tokens.json'), REAL_CLOCK)
    const { token } = await tokens.create('trực ban', 'operator')
    const engine = new FakeEngine({ access: { kind: 'tokens', tokens } })
    const url = await engine.listen()
    t.teardown(() => engine.close())
    const { page } = await opened(t, url)
    await page.waitForFunction(() =>
      /^\d{4} \d{4}$/.test(document.querySelector('.enrol .code')?.textContent ?? ''),
    )
    t.equal(await page.locator('.wall').isVisible(), false)
    const code = (await page.locator('.enrol .code').textContent())!.replace(' ', '')
    const shots = process.env['HAIDANG_SHOTS']
    if (shots !== undefined) await page.screenshot({ path: path.join(shots, 'enrol.png') })
    const admitted = await fetch(`${url}/api/v1/walls`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ code, name: 'Tường 1' }),
    })
    t.equal(admitted.status, 201)
    await page.waitForSelector('.chip.live', { timeout: 15_000 })
    t.equal(engine.wall.walls()[0]?.name, 'Tường 1')
    t.equal(await page.evaluate(() => document.cookie), '', 'no script can read the cookie')
    await page.reload()
    await page.waitForSelector('.chip.live')

    const other = await opened(t, url)
    await other.page.fill('.enrol input', 'hd_wrong')
    await other.page.press('.enrol input', 'Enter')
    await other.page.waitForFunction(
      () => (document.querySelector('.enrol .fault')?.textContent ?? '') !== '',
    )
    await other.page.fill('.enrol input', token)
    await other.page.press('.enrol input', 'Enter')
    await other.page.waitForSelector('.chip.live')
    t.notMatch(other.page.url(), /hd_/)
  },
)

t.test('a wrong parameter is shown, with what is allowed', { skip }, async (t) => {
  const engine = new FakeEngine()
  const url = await engine.listen()
  t.teardown(() => engine.close())
  const { page } = await opened(t, url, '?lang=fr&dist=0&colour=red')
  const text = (await page.locator('.faults').textContent()) ?? ''
  t.match(text, /lang=fr/)
  t.match(text, /vi \| en/)
  t.match(text, /dist=0/)
  t.match(text, /colour=red/)
  t.equal(await page.locator('.wall').count(), 0)
})

t.end()

/** Elements whose content is larger than their box, but for texts that end in an ellipsis on purpose. */
function overflowing(): string[] {
  const found: string[] = []
  const root = document.documentElement
  if (root.scrollWidth > innerWidth || root.scrollHeight > innerHeight) found.push('the page')
  for (const node of document.querySelectorAll<HTMLElement>('.wall, .wall *')) {
    if (node.closest('.announce') !== null || node.offsetParent === null) continue
    const style = getComputedStyle(node)
    if (style.textOverflow === 'ellipsis' || style.display === 'inline') continue
    const over = node.scrollWidth > node.clientWidth + 1 || node.scrollHeight > node.clientHeight + 1
    if (over && node.clientWidth > 0)
      found.push(
        `${node.className}: ${node.scrollWidth}x${node.scrollHeight} in ${node.clientWidth}x${node.clientHeight}`,
      )
  }
  return found
}
