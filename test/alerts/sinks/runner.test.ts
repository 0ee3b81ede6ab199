import t from 'tap'
import { type Cursor, heard, SinkRunner, type SinkRunnerOptions } from '../../../src/alerts/sinks/runner.js'
import type { Delivery, Sink } from '../../../src/alerts/sinks/sink.js'
import type { Transition } from '../../../src/model/alert.js'
import { sampleTransition } from '../../contracts/sink.js'
import { Life, World } from '../../simulation/world.js'

/** A log in memory, a sink that does as told, a cursor, in virtual time. */
class Stage {
  readonly world = new World(1)
  life = new Life(this.world, [], () => {})
  readonly log: { seq: number; transitions: Transition[] }[] = []
  readonly told: string[] = []
  answer: (transition: Transition, nth: number) => Delivery | Error = () => 'ok'
  cursor = 0
  cursorFails = false
  opens = 0

  runner(options: Partial<SinkRunnerOptions> = {}): SinkRunner {
    const { life } = this
    const sink: Sink = {
      name: 'test',
      open: async () => {
        this.opens++
      },
      write: async (transition, key) => {
        await life.after(5)
        this.told.push(key)
        const answer = this.answer(transition, this.told.length)
        if (answer instanceof Error) throw answer
        return answer
      },
      close: async () => {},
    }
    const cursor: Cursor = {
      load: async () => this.cursor,
      save: async (seq) => {
        await life.after(1)
        if (this.cursorFails) throw new Error('ENOSPC')
        this.cursor = seq
      },
    }
    const log = this.log
    const source = {
      async *read(from: number): AsyncGenerator<{ seq: number; transitions: Transition[] }> {
        for (const entry of [...log]) if (entry.seq >= from) yield entry
      },
    }
    const runner = new SinkRunner({ sink, source, cursor, time: life, ...options })
    runner.start((error) => {
      throw error
    })
    return runner
  }

  add(...seqs: number[]): void {
    for (const seq of seqs) this.log.push({ seq, transitions: [sampleTransition(seq)] })
  }

  async until(done: () => boolean): Promise<void> {
    if (!(await this.world.run(done, 100_000))) throw new Error('it never came')
  }

  async pass(ms: number): Promise<void> {
    let over = false
    this.world.schedule(ms, () => (over = true))
    await this.until(() => over)
  }

  crash(): void {
    this.life.alive = false
    this.life = new Life(this.world, [], () => {})
  }
}

const key = (seq: number): string => `a_9f31c2:${seq}:firing:high`

t.test('everything is told once, in order, and the cursor follows; a wake is answered at once', async (t) => {
  const stage = new Stage()
  const runner = stage.runner({ limits: { idle_ms: 1e9 } })
  stage.add(3, 5, 9)
  runner.wake()
  await stage.until(() => stage.cursor === 9)
  stage.add(11)
  const begun = stage.world.monotonic()
  runner.wake()
  await stage.until(() => stage.cursor === 11)
  t.ok(stage.world.monotonic() - begun < 10)
  t.same(stage.told, [3, 5, 9, 11].map(key))
  t.match(runner.status(), { state: 'up', seq: 11, delivered_total: 4, retries_total: 0 })
})

t.test(
  'after a crash it goes on from the cursor: repeated, under the same keys, never skipped',
  async (t) => {
    for (let at = 1; at < 120; at += 3) {
      const stage = new Stage()
      stage.add(...Array.from({ length: 20 }, (_, i) => i + 1))
      stage.runner({ limits: { unsaved: 4 } })
      await stage.pass(at)
      const before = stage.told.length
      stage.crash()
      stage.runner({ limits: { unsaved: 4 } })
      await stage.until(() => stage.cursor === 20)
      t.same(
        [...new Set(stage.told)],
        Array.from({ length: 20 }, (_, i) => key(i + 1)),
        'each, in order',
      )
      if (stage.told.length > 25 || before > 20) t.fail(`${stage.told.length} told, ${before} before`)
    }
  },
)

t.test(
  'a receiver that is away is tried again with growing pauses, in order, and nothing is lost',
  async (t) => {
    const stage = new Stage()
    stage.answer = () => (stage.world.monotonic() < 60_000 ? new Error('connect ECONNREFUSED') : 'ok')
    stage.add(1, 2, 3)
    const runner = stage.runner()
    await stage.pass(30_000)
    t.match(runner.status(), { state: 'retrying', reason: /ECONNREFUSED/, delivered_total: 0 })
    await stage.until(() => stage.cursor === 3)
    t.ok(stage.told.length < 20, `${stage.told.length} attempts`)
    t.same([...new Set(stage.told)], [1, 2, 3].map(key))
  },
)

t.test('refused content is set aside and the next one told; so is what fails for too long', async (t) => {
  const stage = new Stage()
  stage.answer = ({ seq }) => (seq === 2 ? 'dead' : seq === 4 ? 'retry' : 'ok')
  stage.add(1, 2, 3, 4, 5)
  const dead: string[] = []
  const runner = stage.runner({
    limits: { give_up_ms: 60_000 },
    onDead: (d) => dead.push(`${d.key} ${d.reason}`),
  })
  await stage.until(() => stage.cursor === 5)
  t.same(dead, [`${key(2)} refused by the receiver`, `${key(4)} gave up: the receiver asks to try again`])
  t.same(
    runner.dead.map((d) => d.transition.seq),
    [2, 4],
  )
  t.match(runner.status(), { delivered_total: 3, dead_total: 2 })
})

t.test('the list of what was set aside is bounded: the oldest is forgotten', async (t) => {
  const stage = new Stage()
  stage.answer = () => 'dead'
  stage.add(...Array.from({ length: 30 }, (_, i) => i + 1))
  const runner = stage.runner({ limits: { dead: 10 } })
  await stage.until(() => stage.cursor === 30)
  t.same(
    runner.dead.map((d) => d.transition.seq),
    Array.from({ length: 10 }, (_, i) => i + 21),
  )
  t.equal(runner.status().dead_total, 30)
})

t.test('a cursor that cannot be saved does not stop announcements', async (t) => {
  const stage = new Stage()
  stage.cursorFails = true
  stage.add(1, 2)
  const runner = stage.runner()
  await stage.until(() => stage.told.length === 2)
  await stage.pass(10)
  stage.add(3)
  await stage.until(() => stage.told.length === 3)
  t.ok(runner.status().cursor_errors_total > 0)
  stage.cursorFails = false
  await stage.until(() => stage.cursor === 3)
})

t.test('close waits for the delivery at hand, saves the cursor, and ends a back-off', async (t) => {
  const stage = new Stage()
  stage.add(1, 2, 3)
  const runner = stage.runner()
  await stage.until(() => stage.told.length === 1)
  let closed = false
  void runner.close().then(() => (closed = true))
  await stage.until(() => closed)
  t.ok(stage.cursor >= 1 && stage.cursor === stage.told.length)

  const away = new Stage()
  away.answer = () => 'retry'
  away.add(1)
  const retrying = away.runner({ limits: { retry_ms_min: 1e8 } })
  await away.pass(100)
  closed = false
  const begun = away.world.monotonic()
  void retrying.close().then(() => (closed = true))
  await away.until(() => closed)
  t.ok(away.world.monotonic() - begun < 10)
  t.equal(away.cursor, 0)
})

t.test('shadow rules are not announced, nor a firing that nobody hears; endings are', async (t) => {
  t.equal(heard(sampleTransition(1)), true)
  t.equal(heard(sampleTransition(1, { shadow: true })), false)
  t.equal(heard(sampleTransition(1, { announced: null })), false)
  t.equal(heard(sampleTransition(1, { announced: null, status: 'resolved', level: 'none' })), true)
})
