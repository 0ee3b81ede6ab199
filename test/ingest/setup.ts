/** What the tests of ingest share: a writer with its batch, messages made of text, rows read back as objects. */
import { MessageWriter } from '../../ingest/decoders/writer.js'
import { SampleBatch } from '../../src/model/columns.js'
import type { RawMessage } from '../../src/model/decoder.js'
import { qualityNames } from '../../src/model/quality.js'
import { SeriesIndex } from '../../src/model/series.js'

export class Setup {
  readonly index = new SeriesIndex()
  readonly writer = new MessageWriter(this.index)
  readonly batch = new SampleBatch(16)
}

export const RECEIVED = 1795294958140

export function messageOf(bytes: Uint8Array | string, rest: Partial<RawMessage> = {}): RawMessage {
  return {
    topic: 'haidang/v1/sensor/test/dev-1',
    separator: '/',
    received: RECEIVED,
    retained: false,
    headers: null,
    ...rest,
    bytes: typeof bytes === 'string' ? Buffer.from(bytes) : bytes,
  }
}

/** Rows as objects; what is empty, absent or unmarked is left out. Positions are compared as the stored Float32. */
export function rowsOf(batch: SampleBatch, index: SeriesIndex): Record<string, unknown>[] {
  return Array.from({ length: batch.length }, (_, i) => {
    const series = batch.series[i]!
    const row: Record<string, unknown> = {
      device: index.devices.text(index.deviceOf(series)),
      metric: index.metrics.text(index.metricOf(series)),
      time: batch.time[i]!,
      value: batch.value[i]!,
    }
    if (batch.label[i] !== 0) row['label'] = index.labels.text(batch.label[i]!)
    if (!Number.isNaN(batch.lat[i])) row['lat'] = batch.lat[i]
    if (!Number.isNaN(batch.lon[i])) row['lon'] = batch.lon[i]
    if (batch.quality[i] !== 0) row['quality'] = qualityNames(batch.quality[i]!)
    if (batch.attrs[i] !== '') row['attrs'] = batch.attrs[i]
    return row
  })
}
