/** Real chDB, killed again and again while it takes inserts. */
import path from 'node:path'
import t from 'tap'
import { StoreChild } from '../../src/store/child.js'
import { storeClient } from '../../src/store/client.js'
import { EncodingThread } from '../../src/store/encoding-thread.js'
import { migrate, migrations } from '../../src/store/schema.js'
import { shipmentFiles } from '../../src/store/shipment-files.js'
import { Shipper } from '../../src/store/shipper.js'
import { storePort } from '../../src/store/store.js'
import { directoryOf, nobody, readerOf, same, until } from '../store/checks.js'
import { MemoryLog, random } from '../store/city.js'

t.setTimeout(150_000)

t.test('kill -9 of the store at twelve random moments', async (t) => {
  const log = new MemoryLog(2)
  const next = random(3)
  const directory = await directoryOf(t)
  const index = log.index
  let up = 0
  const child = await StoreChild.open({
    directory,
    checkToken: nobody,
    onState: (state) => {
      if (state === 'up') up++
    },
  })
  t.teardown(() => child.close())
  const writer = storeClient({ socket: child.socket }, { connections: 2, request_timeout_ms: 20_000 })
  t.teardown(() => writer.close())
  await migrate(writer, await migrations())
  const encoder = new EncodingThread(index)
  t.teardown(() => encoder.close())
  const files = shipmentFiles(path.join(directory, 'shipping'))
  let inserting = 0
  let hit = 0
  const port = storePort(writer)
  const shipper = await Shipper.open({
    log,
    index,
    encoder,
    files,
    interval_ms: 1,
    bounds: { rows: 3000, bytes: 1e9, days: 90 },
    store: {
      ...port,
      insert: async (...args) => {
        inserting++
        await port.insert(...args).finally(() => inserting--)
      },
    },
  })
  for (let kill = 1; kill <= 12; kill++) {
    log.grow(4000)
    shipper.wake()
    await until(() => inserting > 0)
    // Somewhere within an insert of a few tens of milliseconds, or just behind it.
    const moment = performance.now() + next() * 60
    await until(() => performance.now() >= moment)
    hit += inserting
    process.kill(child.pid!, 'SIGKILL')
    await until(() => up === kill + 1)
    shipper.retry()
  }
  await shipper.drained()
  t.ok(hit >= 3, `${hit} of 12 kills fell into an insert`)
  t.equal(shipper.status.doubled_total, 0)
  await shipper.close()
  await same(t, readerOf(writer), log, 'after twelve kills')
})
