/**
 * What somebody sees who has just typed `npm run demo` and opened the URL: the real demo, its wall in a real Chromium.
 * The screenshot goes to a temporary folder (HAIDANG_SHOTS keeps it elsewhere); docs/wall.png is one of them.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { chromium, type Page } from 'playwright-core'
import t from 'tap'
import { temporaryFolder } from '../server/fake-engine.js'
import { alive, below, startDemo } from './demo-process.js'
import { until } from './servers.js'

const CHROMIUM = '/usr/bin/chromium'
const skip = existsSync(CHROMIUM) ? false : 'chromium is not installed'
/** Of the URL to the first alert and the first line of a chart. */
const FIRST_MS = 10_000
/** The demo's day has brought so many kinds of trouble by then. */
const ALERTS = 4
const ALERTS_MS = 120_000
/** The picture is taken after this much of the demo, so that its lines have a length. */
const SHOWN_MS = 60_000

t.setTimeout(240_000)

/** How many charts have a line drawn: its ink (a trend's or a level's), over more than a few columns of pixels. */
function drawnCharts(page: Page): Promise<number> {
  return page.evaluate(() => {
    /** INK.trend and SEVERITY_INK of ui/wall/chart-tile.ts; grid, axes and limits have others. */
    const inks = ['143,163,181', '255,59,92', '245,154,27', '255,235,138', '88,176,255']
    let drawn = 0
    for (const canvas of Array.from(document.querySelectorAll<HTMLCanvasElement>('.tile .plot canvas'))) {
      const { width, height } = canvas
      const context = canvas.getContext('2d')
      if (context === null || width === 0 || height === 0) continue
      const { data } = context.getImageData(0, 0, width, height)
      const columns = new Set<number>()
      for (let i = 0; i < data.length; i += 4)
        if (data[i + 3] === 255 && inks.includes(`${data[i]},${data[i + 1]},${data[i + 2]}`))
          columns.add((i / 4) % width)
      if (columns.size > 5) drawn++
    }
    return drawn
  })
}

t.test(
  'an alert and lines on the wall within 10 s of the URL; later several alerts, and nothing is wrong in the page',
  { skip, timeout: 240_000 },
  async (t) => {
    const shots = process.env['HAIDANG_SHOTS'] ?? temporaryFolder(t)
    mkdirSync(shots, { recursive: true })
    const browser = await chromium.launch({
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
    t.teardown(() => browser.close())
    const page = await browser.newPage({ viewport: { width: 1920, height: 1080 } })
    const errors: string[] = []
    page.on('pageerror', (error) => errors.push(String(error)))
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text())
    })

    const demo = await startDemo({
      HAIDANG_HTTP: '127.0.0.1:0',
      HAIDANG_MQTT: '127.0.0.1:0',
      HAIDANG_SQL: '127.0.0.1:0',
    })
    let family: number[] = []
    t.teardown(() => {
      for (const pid of [demo.child.pid!, ...family])
        try {
          process.kill(pid, 'SIGKILL')
        } catch {
          // Gone, as it should be.
        }
    })
    const after = (): string => `${((performance.now() - demo.readyAt) / 1000).toFixed(1)} s after the URL`
    const left = (): number => FIRST_MS - (performance.now() - demo.readyAt)
    await page.goto(`${demo.ready.http}/wall`)
    await page.waitForSelector('.alert:not([hidden]) .title:not(:empty)', { timeout: Math.max(1, left()) })
    t.pass(`first alert ${after()}: ${await page.locator('.alert .title').first().textContent()}`)
    await until(
      'lines on the charts',
      async () => (await drawnCharts(page)) > 0,
      Math.max(1, FIRST_MS - (performance.now() - demo.readyAt)),
    )
    t.pass(`first line ${after()}`)
    t.equal(await page.locator('.chip.live').count(), 1, 'the wall says LIVE')

    family = below(demo.child.pid!)
    const open = page.locator('.alert:not([hidden])')
    await until(
      `${ALERTS} alerts`,
      async () => (await open.count()) >= ALERTS && performance.now() - demo.readyAt >= SHOWN_MS,
      ALERTS_MS,
    )
    const drawn = await drawnCharts(page)
    t.ok(drawn >= 6, `${drawn} charts have a line`)
    const titles = await page.locator('.alert:not([hidden]) .title').allTextContents()
    t.ok(new Set(titles).size >= ALERTS, titles.join(' · '))
    const shot = path.join(shots, 'demo-1080p.png')
    // The icon of a new critical alert blinks: the picture shows it lit.
    await page.waitForFunction(() => document.querySelector('.alert .icon.off') === null)
    await page.screenshot({ path: shot })
    t.ok(statSync(shot).size > 50_000, `${shot} ${after()}`)
    t.strictSame(errors, [], 'no error in the page')

    const ended = new Promise<number | null>((resolve) => demo.child.once('exit', resolve))
    process.kill(-demo.child.pid!, 'SIGINT')
    t.equal(await ended, 0, demo.output().slice(-2000))
    await until('every process to be gone', () => !family.some(alive), 5000)
  },
)
