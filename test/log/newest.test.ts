import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { deserialize, serialize } from 'node:v8'
import t from 'tap'
import { Fold } from '../../src/engine/fold.js'
import { Checkpoints } from '../../src/log/checkpoints.js'
import { realDisk } from '../../src/log/disk.js'
import { readNewest, UnreadableCheckpoint } from '../../src/log/newest.js'

async function opened(t: { teardown(done: () => unknown): void }): Promise<Checkpoints> {
  const folder = await mkdtemp(path.join(tmpdir(), 'haidang-newest-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return await Checkpoints.open(realDisk, folder)
}

function saved(seq: number): Uint8Array {
  const fold = new Fold({})
  fold.core.apply({ kind: 'tick', seq, received: 1000 }, [])
  return fold.save()
}

t.test(
  'the newest is loaded; one that cannot be read names itself, and the one before it serves',
  async (t) => {
    const checkpoints = await opened(t)
    t.equal(await readNewest(checkpoints, new Fold({}), 100), false)
    await checkpoints.write(7, [saved(7)])
    await checkpoints.write(9, [Buffer.from('not what it should be')])
    await t.rejects(readNewest(checkpoints, new Fold({}), 100), /record 9 /)
    await readNewest(checkpoints, new Fold({}), 100).catch((error: unknown) =>
      t.ok(error instanceof UnreadableCheckpoint),
    )
    const fold = new Fold({})
    t.equal(await readNewest(checkpoints, fold, 8), true)
    t.equal(fold.core.seq, 7)
  },
)

t.test('one of a newer program is refused', async (t) => {
  const checkpoints = await opened(t)
  const state = deserialize(saved(3)) as { core: { format: number } }
  state.core.format++
  await checkpoints.write(3, [serialize(state)])
  await t.rejects(readNewest(checkpoints, new Fold({}), 100), /newer program/)
})
