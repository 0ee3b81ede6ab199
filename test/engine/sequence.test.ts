import t from 'tap'
import { type Message, RuleBench, rule } from './bench.js'

const SMOKE = rule(
  'smoke-heat',
  'key: [site]',
  'sequence:',
  '  within: 2m',
  '  steps:',
  "    - smoke: { stream: camera, when: label == 'smoke' and confidence > 0.6 }",
  "    - not:   { stream: sensor, when: label == 'drill' }",
  '    - heat:  { stream: sensor, when: temp_c > 57 }',
  'levels: { critical: { when: matched } }',
)
const REGISTRY = '- { device: cam, site: s }\n- { device: t1, site: s }'
const smoke = (at: number, confidence = 0.9) => ({
  at,
  device: 'cam',
  stream: 'camera',
  label: 'smoke',
  metrics: { confidence },
})
const heat = (at: number, received = at) => ({
  at,
  received,
  device: 't1',
  stream: 'sensor',
  metrics: { temp_c: 60 },
})
const drill = (at: number) => ({ at, device: 't1', stream: 'sensor', label: 'drill' })

t.test('steps in order within the time match; `matched` holds for `within`', async (t) => {
  const bench = new RuleBench(SMOKE, { registry: REGISTRY }).send(smoke(0), heat(1))
  t.same(bench.lines(), ['1 s none>critical'])
  bench.until(3.1)
  t.same(bench.lines(), ['3 s critical>none'])
})

t.test('wrong order, too late, too unsure, or forbidden in between: no match', async (t) => {
  const lines = (...messages: Message[]) =>
    new RuleBench(SMOKE, { registry: REGISTRY }).send(...messages).lines()
  t.same(lines(heat(0), smoke(1)), [])
  t.same(lines(smoke(0), heat(2.1)), [])
  t.same(lines(smoke(0), heat(2)), ['2 s none>critical'], 'the end counts')
  t.same(lines(smoke(0, 0.5), heat(1)), [])
  t.same(lines(smoke(0), drill(0.5), heat(1)), [])
  t.same(
    lines(smoke(0), drill(0.5), smoke(0.7), heat(1)),
    ['1 s none>critical'],
    'a start after the drill counts',
  )
})

t.test('a late sample completes a match at the time of the last step', async (t) => {
  const bench = new RuleBench(SMOKE, { registry: REGISTRY })
  bench.send(heat(1), { ...smoke(0.5), received: 1.5 })
  t.same(bench.lines(), ['1 s none>critical'])
})

t.test('a match consumes its samples', async (t) => {
  const bench = new RuleBench(SMOKE, { registry: REGISTRY }).send(smoke(0), heat(1)).until(3.5)
  bench.lines()
  bench.send(heat(3.6))
  t.same(bench.lines(), [])
})

const UNANSWERED = rule(
  'unanswered',
  'sequence:',
  '  within: 5m',
  '  steps:',
  "    - call: { when: label == 'call' }",
  "    - not:  { when: label == 'answer' }",
  'levels: { high: { when: matched } }',
)

t.test('a last `not` fires when `within` has passed without it', async (t) => {
  const bench = new RuleBench(UNANSWERED).send({ at: 0, label: 'call' }).until(5.5)
  t.same(bench.lines(), ['5 g1 none>high'])
  const answered = new RuleBench(UNANSWERED)
    .send({ at: 0, label: 'call' }, { at: 4, label: 'answer' })
    .until(5.5)
  t.same(answered.lines(), [])
})

t.test('later steps use what earlier steps took', async (t) => {
  const rising = rule(
    'rising',
    'sequence:',
    '  within: 5m',
    '  steps:',
    '    - first: { when: level_m > 1 }',
    '    - second: { when: level_m > first.level_m + 1 }',
    'levels: { high: { when: matched } }',
  )
  const bench = new RuleBench(rising).series('level_m', [1.5, 2, 3.1])
  t.same(
    bench.lines(),
    ['2 g1 none>high'],
    '3.1 is more than 1 above 2, and above 1.5: the first to complete wins',
  )
})
