/** The sinks' thread over a real log and a real receiver. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { SinkThread, sinkPlaces } from '../../src/cli/sinks.js'
import type { SinkSettings } from '../../src/config/settings.js'
import { realDisk } from '../../src/log/disk.js'
import { openLog } from '../../src/log/log.js'
import { SeriesIndex } from '../../src/model/series.js'
import { sampleTransition } from '../contracts/sink.js'
import { Receiver } from '../integration/receiver.js'
import { until } from '../integration/servers.js'

t.test(
  'a new sink begins with what happens from then on; after a start it goes on where it was',
  async (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'haidang-sinks-'))
    const receiver = await Receiver.open('secret')
    const cursors = path.join(folder, 'sinks')
    const log = await openLog({
      disk: realDisk,
      directory: path.join(folder, 'log'),
      index: new SeriesIndex(),
    })
    const webhook = (name: string): SinkSettings => ({
      name,
      kind: 'webhook',
      options: { url: receiver.url, reach: 'loopback' },
      secret: 'secret',
    })
    const append = async (...seqs: number[]): Promise<void> => {
      for (const seq of seqs) log.append({ kind: 'tick', seq, received: seq }, [sampleTransition(seq)], null)
      await log.flush()
    }
    const open = async (...names: string[]): Promise<SinkThread> => {
      const sinks = names.map(webhook)
      return await SinkThread.open(
        { sinks, log: path.join(folder, 'log'), cursors, say: (line) => t.comment(line) },
        await sinkPlaces(cursors, sinks),
        log.lastSeq,
      )
    }
    const told = (): number[] => receiver.delivered.map(({ transition }) => transition.seq)
    let running: SinkThread | null = null
    t.teardown(async () => {
      await running?.close(2000)
      await log.close()
      await receiver.stop()
      rmSync(folder, { recursive: true, force: true })
    })

    await append(1, 2, 3)
    running = await open('duty')
    t.equal(running.status[0]!.seq, 3)
    await append(4, 5)
    running.synced(5)
    await until('the first two', () => told().length === 2)
    await running.close(2000)
    t.strictSame(told(), [4, 5], 'nothing of before')
    t.match(running.status, [{ name: 'duty', state: 'closed', seq: 5, delivered_total: 2 }])

    // What is logged while nobody runs is told at the next start; a second sink is new then.
    await append(6)
    running = await open('duty', 'chief')
    await until('what was missed', () => told().length === 3)
    await append(7)
    running.synced(7)
    await until('both are told', () => told().length === 5)
    t.strictSame(told(), [4, 5, 6, 7, 7])
    await running.close(2000)

    // A damaged place counts as none ever saved: the whole log again, under the same keys, never a gap.
    writeFileSync(path.join(cursors, 'cursor-duty.json'), '{"seq":7,"crc":1}')
    running = await open('duty')
    await until('all of it', () => told().length === 12)
    t.strictSame(told().slice(5), [1, 2, 3, 4, 5, 6, 7])
    t.equal(receiver.forged, 0)
  },
)
