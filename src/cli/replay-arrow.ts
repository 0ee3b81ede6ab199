/** Arrow IPC streams of samples (ClickHouse's `samples`, `FORMAT ArrowStream`) as message records. */
import type { Readable } from 'node:stream'
import { RecordBatchReader } from 'apache-arrow'
import type { Core } from '../engine/core.js'
import { SampleBatch } from '../model/columns.js'
import { HaidangError } from '../model/errors.js'
import type { MessageRecord } from '../model/record.js'

/** One record a row run of equal `seq` (a message), or a row where there is no `seq`. Columns as in DESIGN.md 4. */
export async function* arrowRecords(
  stream: Readable,
  core: Core,
  event: boolean,
): AsyncIterable<MessageRecord> {
  const { index } = core
  const feed = index.sources.id('replay')
  const batch = new SampleBatch(64)
  let seq = 0
  let clock = Number.NEGATIVE_INFINITY
  for await (const rows of await RecordBatchReader.from(stream)) {
    const column = (name: string) => rows.getChild(name)
    const [time, device, metric, value] = ['time', 'device', 'metric', 'value'].map((name) => {
      const found = column(name)
      if (found === null)
        throw new HaidangError('HD_DECODE_SHAPE', `the Arrow stream has no column '${name}'`)
      return found
    })
    const text = (name: string, row: number): string => String(column(name)?.get(row) ?? '')
    for (let row = 0; row < rows.numRows; ) {
      const id = column('seq')?.get(row)
      let end = row + 1
      while (id != null && end < rows.numRows && column('seq')!.get(end) === id) end++
      batch.clear()
      for (let i = row; i < end; i++) {
        const series = index.series(
          index.devices.id(String(device!.get(i))),
          index.metrics.id(String(metric!.get(i))),
        )
        const [lat, lon] = [column('lat')?.get(i), column('lon')?.get(i)]
        batch.append(
          series,
          Number(time!.get(i)),
          Number(value!.get(i)),
          index.labels.id(text('label', i)),
          lat == null ? Number.NaN : Number(lat),
          lon == null ? Number.NaN : Number(lon),
          Number(column('quality')?.get(i) ?? 0),
          text('attrs', i),
        )
      }
      const newest = Number(time!.get(end - 1))
      const received = event ? newest : Number(column('received')?.get(row) ?? newest)
      clock = Math.max(clock, received)
      yield {
        kind: 'message',
        seq: ++seq,
        received: clock,
        feed,
        source: index.sources.id(text('source', row) || 'replay'),
        stream: index.streams.id(text('stream', row) || 'sensor'),
        identity: 0,
        batch,
        from: 0,
        to: batch.length,
      }
      row = end
    }
  }
}
