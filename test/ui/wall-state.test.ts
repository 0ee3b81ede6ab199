import t from 'tap'
import type { Heartbeat } from '../../src/server/wire.js'
import { format } from '../../ui/wall/format.js'
import { TEXT_KEYS, translator } from '../../ui/wall/i18n.js'
import { parseParams, textScale } from '../../ui/wall/params.js'
import { retryDelay } from '../../ui/wall/socket.js'
import { judge, type Pulse } from '../../ui/wall/state.js'

const SERVER = 1_800_000_000_000
function pulse(more: Partial<Pulse> = {}, heartbeat: Partial<Heartbeat> = {}): Pulse {
  return {
    startedAt: 0,
    heartbeatAt: 10_000,
    closedAt: null,
    greeted: true,
    heartbeat: {
      type: 'heartbeat',
      epoch: 'e',
      seq: 1,
      server_time: SERVER,
      newest_event_time: SERVER - 400,
      backlog: 0,
      dropped: 0,
      build: 'b',
      clock: 'arrival',
      feeds_down: [],
      ...heartbeat,
    },
    ...more,
  }
}
const stateAt = (p: Pulse, silence: number) => judge(p, 10_000 + silence, SERVER + silence).state

t.test('states follow the table of WALL.md 7', async (t) => {
  const old = SERVER - 42_000
  for (const [name, p, silence, expected] of [
    ['all well', pulse(), 0, 'live'],
    ['heartbeat two seconds old', pulse(), 2000, 'live'],
    ['beyond two', pulse(), 2001, 'no_heartbeat'],
    ['three', pulse(), 3000, 'no_heartbeat'],
    ['beyond three', pulse(), 3001, 'disconnected'],
    ['socket closed for a second', pulse({ closedAt: 10_000 }), 1000, 'live'],
    ['and more', pulse({ closedAt: 10_000 }), 1001, 'disconnected'],
    ['open again, snapshot to come', pulse({ greeted: false }), 0, 'resync'],
    ['never anything', pulse({ heartbeat: null }), 0, 'waiting'],
    ['quiet sensors are no delay', pulse({}, { newest_event_time: old }), 0, 'live'],
    ['backlog and old data are', pulse({}, { newest_event_time: old, backlog: 1 }), 0, 'delayed'],
    ['backlog with fresh data is not', pulse({}, { backlog: 9 }), 0, 'live'],
    ['over a minute', pulse({}, { newest_event_time: SERVER - 61_000, backlog: 1 }), 0, 'backlog'],
    ['recordings are played', pulse({}, { clock: 'event', newest_event_time: 5, backlog: 3 }), 0, 'replay'],
    ['and the link is lost', pulse({}, { clock: 'event' }), 3001, 'disconnected'],
  ] as const)
    t.equal(stateAt(p, silence), expected, name)
})

t.test("the server's time goes on by our monotonic clock, whatever the computer's clock says", async (t) => {
  const verdict = judge(pulse(), 12_500, SERVER + 7 * 60_000)
  t.equal(verdict.serverNow, SERVER + 2500)
  t.equal(verdict.skew, 7 * 60_000 - 2500)
  t.equal(verdict.dataAge, 2900)
  t.equal(judge(pulse(), 10_000, SERVER + 2000).skew, 0, 'two seconds are nothing')
  t.equal(judge(pulse({}, { clock: 'event', newest_event_time: 77 }), 10_000, SERVER).modelNow, 77)
  t.equal(judge(pulse({}, { newest_event_time: null }), 10_000, SERVER).dataAge, null)
})

t.test('reconnecting: full jitter below min(15 s, 0.5 s × 2ⁿ)', async (t) => {
  t.strictSame(
    [0, 1, 2, 3, 4, 5, 6, 100, 10_000].map((n) => retryDelay(n, 1)),
    [500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000, 15_000],
  )
  t.equal(retryDelay(7, 0), 0)
})

t.test('parameters: what is given is taken, what is wrong is named with what is allowed', async (t) => {
  t.match(parseParams(''), {
    params: { lang: 'vi', layout: 'overview', blink: true, tz: 'Asia/Ho_Chi_Minh', window_ms: 1_800_000 },
  })
  const given = parseParams('?lang=en&dist=8&height=1.37&layout=trends&sev=high&blink=0&tz=UTC&window=3h')
  t.match(given, {
    params: { lang: 'en', dist: 8, height: 1.37, sev: 'high', blink: false, window_ms: 10_800_000 },
  })
  t.match(parseParams('?lang=fr&dist=-1&height=x&blink=2&tz=Mars/Base&window=5m&lang=vi&colour=red'), {
    faults: [
      { name: 'lang', value: 'vi', allowed: 'once' },
      { name: 'dist', value: '-1', allowed: '0.5 … 100' },
      { name: 'height', value: 'x' },
      { name: 'blink', allowed: '1 | 0' },
      { name: 'tz', value: 'Mars/Base' },
      { name: 'window', value: '5m' },
      { name: 'colour', value: 'red' },
    ],
  })
  t.match(parseParams('?lang=VI'), { faults: [{ name: 'lang', allowed: 'vi | en' }] })
})

t.test('text size: the table of WALL.md 5', async (t) => {
  for (const [dist, height, arcmin, vh] of [
    [8, 2.05, 24, 3.7],
    [8, 2.05, 16, 2.5],
    [8, 1.37, 20, 4.7],
    [5, 1.22, 20, 3.3],
    [5, 1.22, 24, 3.9],
  ] as const) {
    const parsed = parseParams(`?dist=${dist}&height=${height}`)
    if (!('params' in parsed)) throw new Error('refused')
    const base = { 24: 3.7, 20: 3.1, 16: 2.5 }[arcmin]
    t.ok(Math.abs(base * textScale(parsed.params) - vh) < 0.11, `${dist} m, ${height} m, ${arcmin}'`)
  }
})

t.test('every text is there in both languages, with the same blanks', async (t) => {
  const [vi, en] = [translator('vi'), translator('en')]
  const blanks = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort().join()
  for (const key of TEXT_KEYS) {
    t.not(vi(key), key)
    t.equal(blanks(vi(key)), blanks(en(key)), key)
    t.equal(vi(key), vi(key).normalize('NFC'), key)
  }
  t.equal(vi('shelved', { n: 4 }), 'tạm gác 4')
  t.equal(translator('en')('nothing' as 'live'), 'nothing', 'a missing key shows itself')
})

t.test('numbers, times and ages as the room reads them', async (t) => {
  const vi = format('vi', 'Asia/Ho_Chi_Minh', translator('vi'))
  const en = format('en', 'UTC', translator('en'))
  const at = Date.UTC(2026, 10, 21, 17, 5, 9)
  t.equal(vi.number(1234.5, 1), '1.234,5')
  t.equal(en.number(1234.5, 1), '1,234.5')
  t.equal(vi.clock(at), '00:05:09')
  t.equal(vi.date(at), '22/11/2026', 'the local day')
  t.equal(en.time(at), '17:05')
  t.strictSame([0, 59_000, 60_000, 3_660_000, 90_000_000].map(vi.age), [
    'vừa xong',
    '59 s',
    '1 ph',
    '1 h 1 ph',
    '1 ng 1 h',
  ])
  t.strictSame([42_000, 1_930_000, 93_780_000].map(vi.stopwatch), ['00:42', '32:10', '26:03:00'])
  t.equal(vi.unit('µg/m3'), 'µg/m³')
})
