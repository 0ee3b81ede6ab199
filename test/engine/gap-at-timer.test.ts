import t from 'tap'
import { SampleLines } from '../../src/cli/replay.js'
import { readTexts } from '../../src/config/texts.js'
import { textRecords } from '../../src/engine/configure.js'
import { Core } from '../../src/engine/core.js'
import type { Transition } from '../../src/model/alert.js'

const RULE = `
rule: bunching
title: { en: "{gap_m} m", vi: "{gap_m} m" }
category: traffic
stream: gps
let: { gap: gap_to_next(device.route), gap_m: round(gap) }
levels: { low: { when: gap < 150, for: 1m } }
`
// The depot lies on the line too, 1 km behind: the wrong position would give a gap of its own.
const REGISTRY = `
- { device: first, kind: bus, route: loop, lat: 20.80, lon: 106.60, expected_interval: 40s }
- { device: second, kind: bus, route: loop, lat: 20.80, lon: 106.60, expected_interval: 40s }
`
const ZONES = JSON.stringify({
  type: 'FeatureCollection',
  features: [
    {
      type: 'Feature',
      properties: { name: 'loop' },
      geometry: {
        type: 'LineString',
        coordinates: [
          [106.6, 20.8],
          [106.6, 20.9],
        ],
      },
    },
  ],
})

t.test('a `for` that the clock fulfils tells the gap of where the bus is, not of its depot', async (t) => {
  const texts = await readTexts({ rules: [], devices: undefined, zones: undefined, metrics: undefined })
  const core = new Core({ timezone: 'Asia/Ho_Chi_Minh' })
  const out: Transition[] = []
  const rules = JSON.stringify([{ file: 'bunching.yaml', text: RULE }])
  for (const record of textRecords({ ...texts, rules, registry: REGISTRY, zones: ZONES }, 0))
    core.apply(record, out)
  t.strictSame(core.faults, [])
  const lines = new SampleLines(core, false)
  const at = (device: string, s: number, lat: number) => {
    const line = { stream: 'gps', device, time: 1e12 + s * 1000, metrics: { speed_kmh: 10 }, lat, lon: 106.6 }
    core.apply(lines.record(JSON.stringify(line))!, out)
  }
  // 0.0009 degrees of latitude are 100 m.
  for (const s of [0, 30]) {
    at('first', s, 20.81)
    at('second', s, 20.8091)
  }
  core.apply({ kind: 'tick', seq: core.seq, received: 1e12 + 61_000 }, out)
  t.equal(out.length, 1)
  t.equal(out[0]?.status, 'firing')
  t.equal(out[0]?.time, 1e12 + 60_000, 'by the clock, between two messages')
  t.equal(out[0]?.title.en, '100 m')
})
