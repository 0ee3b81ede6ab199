import t from 'tap'
import { decodeMessage } from '../../ingest/decoders/decode.js'
import { deviceTemplate } from '../../ingest/decoders/device.js'
import { native } from '../../ingest/decoders/native.js'
import { HaidangError } from '../../src/model/errors.js'
import { messageOf, rowsOf, Setup } from './setup.js'

t.test('a device template names segments, the rest of a topic, and fields of the payload', async (t) => {
  const payload = { devEui: '24e1', serial: 7, deep: { id: 'x' } }
  const cases: [template: string, topic: string, separator: '/' | '.', device: string][] = [
    ['{topic.3}', 'application/a/device/24e1/event/up', '/', '24e1'],
    ['{topic.1+}', 'zigbee2mqtt/kitchen/leak', '/', 'kitchen/leak'],
    ['{topic.1+}', 'sensors.a.b', '.', 'a.b'],
    ['{payload.devEui}', 'x', '/', '24e1'],
    ['{payload.serial}', 'x', '/', '7'],
    ['{payload.deep.id}', 'x', '/', 'x'],
    ['cam-{topic.0}-{payload.serial}', 'gate', '/', 'cam-gate-7'],
  ]
  for (const [template, topic, separator, device] of cases)
    t.equal(deviceTemplate(template)(topic, separator, payload), device, template)
})

t.test('what a template names and a message lacks is HD_DECODE_IDENTITY', async (t) => {
  for (const template of [
    '{topic.9}',
    '{topic.9+}',
    '{payload.none}',
    '{payload.toString}',
    '{payload.deep}',
  ])
    t.throws(
      () => deviceTemplate(template)('a/b', '/', { deep: {} }),
      { code: 'HD_DECODE_IDENTITY' },
      template,
    )
})

t.test('a template that is none is a configuration fault', async (t) => {
  for (const template of ['', '{', '}', '{topic}', '{topic.x}', '{payload.}', '{name}', 'a{topic.1']) {
    const error = t.throws(() => deviceTemplate(template), HaidangError)
    t.equal((error as HaidangError).code, 'HD_CONFIG_VALUE', template)
  }
})

t.test('renames and factors of the profile apply, and a rename to nothing drops the field', async (t) => {
  const { writer, batch, index } = new Setup()
  const profile = {
    source: 'f',
    stream: 'flood',
    device: '{topic.1}',
    rename: { dist: 'distance_m', junk: '' },
    factor: { distance_m: 0.01 },
  }
  const raw = messageOf('{"time":1,"metrics":{"dist":250,"junk":1,"temp_c":3}}', { topic: 'gauges/g-1' })
  t.match(decodeMessage(native, raw, profile, null, writer, batch), { kind: 'samples' })
  t.strictSame(rowsOf(batch, index), [
    { device: 'g-1', metric: 'distance_m', time: 1, value: 2.5 },
    { device: 'g-1', metric: 'temp_c', time: 1, value: 3 },
  ])
  t.equal(index.streams.text(writer.stream), 'flood')
  t.equal(index.sources.text(writer.source), 'f')
})

t.test('a clock without zone is read in the zone of its profile, daylight saving included', async (t) => {
  const { writer, batch, index } = new Setup()
  const at = (time: string, zone: string) => {
    batch.clear()
    decodeMessage(
      native,
      messageOf(`{"time":"${time}","metrics":{"x":1}}`),
      { source: 's', stream: 'air', zone },
      null,
      writer,
      batch,
    )
    return new Date(Number(rowsOf(batch, index)[0]!['time'])).toISOString()
  }
  t.equal(at('2026-11-22T04:02:38.123', 'Asia/Ho_Chi_Minh'), '2026-11-21T21:02:38.123Z')
  t.equal(at('2026-07-01T12:00:00', 'Europe/Berlin'), '2026-07-01T10:00:00.000Z')
  t.equal(at('2026-03-29T03:00:00', 'Europe/Berlin'), '2026-03-29T01:00:00.000Z')
  t.equal(at('2026-03-29T01:59:59', 'Europe/Berlin'), '2026-03-29T00:59:59.000Z')
})
