import fc from 'fast-check'
import t from 'tap'
import type { Call, Expression } from '../../../rules/language/ast.js'
import { printExpression } from '../../../rules/language/print.js'
import { walk } from '../../../rules/language/walk.js'
import { BARE, CITY, condition, load, METRICS, printed, ruleText } from './setting.js'

t.test('sound expressions check, and print to what they are', async (t) => {
  const cases: Record<string, string> = {
    'level_m >= device.limit.alarm1': 'level_m >= limit.alarm1',
    'limit.alarm1 > 2': 'limit.alarm1 > 2',
    "label in ['smoke', 'flame'] and confidence > 0.6": "label in ['smoke', 'flame'] and confidence > 0.6",
    "device.kind == 'bus' and site.name != 'x'": "device.kind == 'bus' and site.name != 'x'",
    'hour in [22, 23] or weekday > 5 or month == 12': 'hour in [22, 23] or weekday > 5 or month == 12',
    'quality.out_of_range and not quality.bad': 'quality.out_of_range and not quality.bad',
    'lat > 20.5 and lon < 107': 'lat > 20.5 and lon < 107',
    "device == 'x' or stream == 'flood' or source == 'y'":
      "device == 'x' or stream == 'flood' or source == 'y'",
    'event == 1 and position == 1': 'event == 1 and position == 1',
    true: 'true',
    'abs(-level_m) > min(1, 2, temp_c)': 'abs(-level_m) > min(1, 2, temp_c)',
    'max(30s, 2 * 1m) > 1m': 'max(30s, 2 * 1m) > 1m',
    'min(level_m, 30m) > max(level_m, 2h)': 'min(level_m, 30m) > max(level_m, 2h)',
    'max(level_m, 30m, warmup=5m) > 1': 'max(level_m, 30m, warmup=5m) > 1',
    'round(level_m) == 2 or round(level_m, 1) == 2.5': 'round(level_m) == 2 or round(level_m, 1) == 2.5',
    'clamp(level_m, 0, 1) > hypot(3, 4)': 'clamp(level_m, 0, 1) > hypot(3, 4)',
    "if(level_m > 1, 'a', 'b') == label": "if(level_m > 1, 'a', 'b') == label",
    'avg(level_m, 10m) > 1': 'avg(level_m, 10m) > 1',
    'avg(level_m, 2 * 5m) > 1': 'avg(level_m, 10m) > 1',
    'avg(m=level_m, w=10m) > 1': 'avg(level_m, 10m) > 1',
    'quantile(level_m, 1h, 0.95) > 1': 'quantile(level_m, 1h, 0.95) > 1',
    'slope(level_m, 30m) > 0': "slope(level_m, 30m, method='theil_sen') > 0",
    "slope(level_m, 30m, method='least_squares').low > 0":
      "slope(level_m, 30m, method='least_squares').low > 0",
    'time_to(level_m, device.limit.alarm3, 60m) < 45m':
      "time_to(level_m, limit.alarm3, 1h, direction='up', method='theil_sen') < 45m",
    'count_if(temp_c > 57, 10m) > 3': 'count_if(temp_c > 57, 10m) > 3',
    'distinct(label, 5m) > 2 or distinct(attrs.object_id, 5m) > 2 or distinct(device, 1h) > 1':
      'distinct(label, 5m) > 2 or distinct(attrs.object_id, 5m) > 2 or distinct(device, 1h) > 1',
    'rate(rain_total_mm, 1h) > 0.01': 'rate(rain_total_mm, 1h) > 0.01',
    'since(level_m > 2) > 10m and held(level_m > 2) < 1h':
      'since(level_m > 2) > 10m and held(level_m > 2) < 1h',
    'change(pm25_ugm3, 6h).sign > 0': 'change(pm25_ugm3, 6h, min=0).sign > 0',
    'spike(level_m) or stuck(level_m, 6h)': 'spike(level_m, min=0) or stuck(level_m, 6h)',
    'disagrees(pm25_ugm3, 5, 3000) > 3.5': 'disagrees(pm25_ugm3, 5, 3000, min=0) > 3.5',
    'disagrees(pm25_ugm3, k=5, radius=3000) > 3.5': 'disagrees(pm25_ugm3, 5, 3000, min=0) > 3.5',
    'agree(temp_c > 57, 5, 500, 10m) >= 2': 'agree(temp_c > 57, 5, 500, 10m) >= 2',
    'across(max, level_m) > 2 and count_devices(level_m > 1) >= 3':
      'across(max, level_m) > 2 and count_devices(level_m > 1) >= 3',
    "near_alert('r', 500) >= 3 or lag(level_m, 1h) > 1": "near_alert('r', 500) >= 3 or lag(level_m, 1h) > 1",
    "in_zone('port') and dwell('port') > 10m and distance_to('port') < 50":
      "in_zone('port') and dwell('port') > 10m and distance_to('port') < 50",
    "off_route(device.route) > 200 or gap_to_next('line-05') < 100":
      "off_route(device.route) > 200 or gap_to_next('line-05') < 100",
    'moved(10m) < 20 and vn_aqi() > 150 and nowcast(pm25_ugm3) > 50':
      'moved(10m) < 20 and vn_aqi() > 150 and nowcast(pm25_ugm3) > 50',
    'changed(level_m) and anomaly(level_m) > 0.99': 'changed(level_m) and anomaly(level_m, min=0) > 0.99',
    'ewma(level_m, 10m) + ewmsd(level_m, 10m) * 3 < level_m':
      'ewma(level_m, 10m) + ewmsd(level_m, 10m) * 3 < level_m',
    '10m + 5m > 2 * 10m / 4 and 10m / 5m > 1': '10m + 5m > 2 * 10m / 4 and 10m / 5m > 1',
    '-(5m) < -level_m * 1m': '-5m < -level_m * 1m',
    '(hour == 1) == (month == 2)': '(hour == 1) == (month == 2)',
    'hour == 1 and (weekday == 1 or weekday == 2)': 'hour == 1 and (weekday == 1 or weekday == 2)',
  }
  for (const [text, expected] of Object.entries(cases)) {
    const { expression, faults } = condition(text)
    t.strictSame(printed(faults), [], text)
    t.equal(expression === null ? '' : printExpression(expression), expected, text)
  }
})

t.test('every printed expression checks to the same expression again', async (t) => {
  const atoms = [
    'level_m',
    'temp_c',
    'limit.alarm1',
    'confidence',
    '2.5',
    'hour',
    'avg(level_m, 10m)',
    'slope(level_m, 1h).low',
    'round(temp_c, 1)',
  ]
  const number = fc.letrec<{ n: string }>((tie) => ({
    n: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(...atoms),
      fc
        .tuple(tie('n'), fc.constantFrom('+', '-', '*', '/'), tie('n'))
        .map(([a, o, b]) => `(${a} ${o} ${b})`),
      tie('n').map((a) => `-(${a})`),
      fc.tuple(tie('n'), tie('n')).map(([a, b]) => `min(${a}, ${b})`),
    ),
  })).n
  const boolean = fc.letrec<{ b: string }>((tie) => ({
    b: fc.oneof(
      { maxDepth: 4 },
      fc
        .tuple(number, fc.constantFrom('<', '<=', '==', '!=', '>'), number)
        .map(([a, o, b]) => `${a} ${o} ${b}`),
      fc.constantFrom(
        "label in ['it''s', 'b']",
        'quality.bad',
        'changed(level_m)',
        "share(label == 'x', 5m) > 0.5",
      ),
      fc
        .tuple(tie('b'), fc.constantFrom('and', 'or', '=='), tie('b'))
        .map(([a, o, b]) => `(${a}) ${o} (${b})`),
      tie('b').map((a) => `not (${a})`),
    ),
  })).b
  let checked = 0
  fc.assert(
    fc.property(boolean, (text) => {
      const once = condition(text).expression
      if (once === null) return false
      checked++
      const again = condition(printExpression(once)).expression
      return (
        again !== null &&
        printExpression(again) === printExpression(once) &&
        withoutPlaces(again) === withoutPlaces(once)
      )
    }),
    { seed: 20260103, numRuns: 300 },
  )
  t.ok(checked >= 300)
})

function withoutPlaces(expression: Expression): string {
  return JSON.stringify(expression, (key, value) => (key === 'at' ? undefined : value))
}

t.test('what is wrong is told where it stands', async (t) => {
  const cases: [text: string, at: number, code: string, message: RegExp][] = [
    // names
    ['levle_m > 1', 0, 'HD_RULE_UNKNOWN_NAME', /unknown name 'levle_m': did you mean 'level_m'/],
    ["lable == 'x'", 0, 'HD_RULE_UNKNOWN_NAME', /did you mean 'label'/],
    ['temp_c > 1 or foo.bar', 14, 'HD_RULE_UNKNOWN_NAME', /unknown name 'foo.bar'/],
    ['__proto__ > 1', 0, 'HD_RULE_UNKNOWN_NAME', /unknown name/],
    ['constructor', 0, 'HD_RULE_UNKNOWN_NAME', /unknown name/],
    ['kind == 1', 0, 'HD_RULE_UNKNOWN_NAME', /'device.kind'/],
    ["site == 'a'", 0, 'HD_RULE_UNKNOWN_NAME', /'device.site'/],
    ["site.nam == 'a'", 0, 'HD_RULE_UNKNOWN_NAME', /did you mean 'name'/],
    ['quality.stuk', 0, 'HD_RULE_UNKNOWN_NAME', /did you mean 'stuck'/],
    ['device.limit > 1', 0, 'HD_RULE_UNKNOWN_NAME', /a limit has a name/],
    ['matched', 0, 'HD_RULE_UNKNOWN_NAME', /only in the levels of a rule with a sequence/],
    ['avg > 1', 0, 'HD_RULE_UNKNOWN_NAME', /is a function and needs its arguments: avg\(m, w, warmup=…\)/],
    ['avrg(level_m, 10m) > 1', 0, 'HD_RULE_UNKNOWN_NAME', /did you mean 'avg'/],
    ['eval(1)', 0, 'HD_RULE_UNKNOWN_NAME', /unknown function 'eval'/],
    ['slope(level_m, 30m).hihg > 1', 20, 'HD_RULE_UNKNOWN_NAME', /it has .low .high/],
    ['avg(level_m, 30m).low > 1', 18, 'HD_RULE_UNKNOWN_NAME', /it has no fields/],
    ["in_zone('prot')", 8, 'HD_RULE_UNKNOWN_NAME', /there is no zone 'prot': did you mean 'port'/],
    ["gap_to_next('line-5') < 1", 12, 'HD_RULE_UNKNOWN_NAME', /no zone 'line-5': did you mean 'line-05'/],
    ["alert('nobody') > 1", 6, 'HD_RULE_UNKNOWN_NAME', /there is no rule 'nobody'/],
    ["near_alert('nobody', 100) > 1", 11, 'HD_RULE_UNKNOWN_NAME', /there is no rule/],
    // types
    ['level_m', 0, 'HD_RULE_TYPE', /must be a condition, and is a number/],
    ['level_m + 1', 0, 'HD_RULE_TYPE', /must be a condition/],
    ['level_m > 5m', 8, 'HD_RULE_TYPE', /number \(left\) and a duration \(right\).*unit/],
    ["level_m == 'x'", 8, 'HD_RULE_TYPE', /a number \(left\) and a text \(right\)/],
    ["label > 'a'", 6, 'HD_RULE_TYPE', /orders numbers or durations/],
    ['level_m > 1 and temp_c', 16, 'HD_RULE_TYPE', /'and' joins conditions, and this is a number/],
    ['not level_m', 4, 'HD_RULE_TYPE', /negates a condition/],
    ['-label == 1', 0, 'HD_RULE_TYPE', /'-' is of numbers/],
    ['level_m + 5m > 1', 8, 'HD_RULE_TYPE', /\+/],
    ['1 / 5m > 1', 2, 'HD_RULE_TYPE', /cannot join/],
    ['5m * 5m > 1', 3, 'HD_RULE_TYPE', /cannot join/],
    ["level_m in ['a']", 8, 'HD_RULE_TYPE', /list of texts/],
    ['if(level_m, 1, 2) > 1', 3, 'HD_RULE_TYPE', /first argument of if\(\) is a condition/],
    ["if(true, 1, 'a') == 1", 12, 'HD_RULE_TYPE', /one type/],
    ['min(level_m, 5m, 3) > 1', 17, 'HD_RULE_ARGUMENTS', /takes 2 arguments/],
    ['min(1, 5m) > 1', 7, 'HD_RULE_TYPE', /one type/],
    ['abs(true) == 1', 4, 'HD_RULE_TYPE', /of numbers or durations/],
    ['rate(level_m, 10m) > 1', 5, 'HD_RULE_TYPE', /'level_m' is none/],
    ['avg(label, 10m) > 1', 4, 'HD_RULE_TYPE', /a metric by its name/],
    ['avg(level_m + 1, 10m) > 1', 4, 'HD_RULE_TYPE', /a metric by its name/],
    ['avg(level_m, 10) > 1', 13, 'HD_RULE_TYPE', /is a duration, as in 10m, and this is a number/],
    ['count_if(level_m, 10m) > 1', 9, 'HD_RULE_TYPE', /'condition' of count_if\(\) is a condition/],
    ['disagrees(level_m, 3, 500m) > 1', 22, 'HD_RULE_TYPE', /metres, a plain number: with a unit \(500m\)/],
    ["near_alert('r', 500m) > 1", 16, 'HD_RULE_TYPE', /metres, a plain number/],
    ['spike(level_m) > 1', 15, 'HD_RULE_TYPE', /a condition \(left\)/],
    // arguments
    ['avg(level_m) > 1', 0, 'HD_RULE_ARGUMENTS', /takes 2 arguments, not 1: 'w' is missing/],
    ['avg() > 1', 0, 'HD_RULE_ARGUMENTS', /not 0: 'm' is missing/],
    ['avg(level_m, 10m, 3) > 1', 18, 'HD_RULE_ARGUMENTS', /this is one more/],
    [
      'slope(level_m, 10m, methd=1) > 1',
      20,
      'HD_RULE_ARGUMENTS',
      /no argument 'methd': did you mean 'method'/,
    ],
    [
      "slope(level_m, 10m, method='ols') > 1",
      27,
      'HD_RULE_ARGUMENTS',
      /one of 'theil_sen' 'least_squares', not 'ols'/,
    ],
    ['avg(level_m, w=10m, w=5m) > 1', 20, 'HD_RULE_ARGUMENTS', /given twice/],
    ['avg(level_m, hour * 1m) > 1', 13, 'HD_RULE_ARGUMENTS', /must be known when the rule is loaded/],
    ['disagrees(level_m, 3.5, 500) > 1', 19, 'HD_RULE_ARGUMENTS', /a whole number/],
    ['across(top, level_m) > 1', 7, 'HD_RULE_ARGUMENTS', /one of count sum/],
    ['distinct(level_m, 5m) > 1', 9, 'HD_RULE_ARGUMENTS', /'label', 'device' or 'attrs.x'/],
    ['round(1, 2, 3) > 1', 0, 'HD_RULE_ARGUMENTS', /1 to 2 arguments, not 3/],
    ['hypot(a=1, 2) > 1', 6, 'HD_RULE_ARGUMENTS', /no argument by name/],
    // limits
    ['avg(level_m, 3650d) > 1', 13, 'HD_RULE_LIMIT', /at most 400d, not 3650d/],
    ['avg(level_m, 0s) > 1', 13, 'HD_RULE_LIMIT', /at least 1ms/],
    ['avg(level_m, -5m) > 1', 13, 'HD_RULE_LIMIT', /at least/],
    ['quantile(level_m, 1h, 1.5) > 1', 22, 'HD_RULE_LIMIT', /at most 1/],
    ['agree(temp_c > 1, 0, 500, 10m) > 1', 18, 'HD_RULE_LIMIT', /at least 1/],
  ]
  for (const [text, at, code, message] of cases) {
    const { faults } = condition(text)
    t.equal(faults.length, 1, `${text}: one fault`)
    t.match(faults[0]?.message ?? '', message, text)
    t.equal(faults[0]?.at, at, `${text}: position`)
    t.equal(faults[0]?.code, code, `${text}: code`)
  }
})

t.test('all faults of one expression are told at once', async (t) => {
  const { faults } = condition("foo > 1 and label == 5 or avg(bar, 10) > 1 and nofunc(baz) and in_zone('x')")
  t.strictSame(
    faults.map(({ at }) => at),
    [0, 18, 30, 35, 47, 54, 71],
  )
})

t.test(
  'a call carries its arguments by name, with defaults, and one signature for what is equal',
  async (t) => {
    const call = (text: string): Call => {
      const { expression } = condition(text)
      let found: Call | null = null
      walk(expression!, (node) => {
        if (node.kind === 'call') found ??= node.call
      })
      return found!
    }
    const slope = call('slope(level_m, 30m) > 1')
    t.strictSame([slope.name, slope.metric, slope.condition], ['slope', 'level_m', null])
    t.strictSame(
      { ...slope.constants },
      { w: 1_800_000, method: 'theil_sen' },
      'warmup is absent where it is not written',
    )
    t.equal(call('slope(w=0.5h, m=level_m).high > 1').signature, slope.signature)
    t.not(call("slope(level_m, 30m, method='least_squares') > 1").signature, slope.signature)
    const eta = call('time_to(level_m, limit.alarm1 - 0.1, 1h) < 5m')
    t.equal(printExpression(eta.dynamic['limit']!), 'limit.alarm1 - 0.1')
    t.equal(
      call('time_to(level_m, 3, 1h) < 5m').dynamic['limit']?.kind,
      'number',
      'a limit is always given at the judgement',
    )
    t.equal(printExpression(call('agree(temp_c > 57, 5, 500, 10m) > 1').condition!), 'temp_c > 57')
    t.strictSame(
      { ...call('agree(temp_c > 57, 5, 500, 10m) > 1').constants },
      { k: 5, radius: 500, w: 600_000 },
    )
    t.equal(call("off_route('line-05') > 1").dynamic['route']?.type, 'text')
    t.equal(call('across(max, level_m) > 1').constants['f'], 'max')
    t.equal(call('avg(confidence, 5m) > 1').metric, 'confidence')
  },
)

t.test('lets are written out, whatever their order, and keep their bands', async (t) => {
  const extra = 'let:\n  c: b.low > 1\n  b: slope(level_m, 30m)\n  w: 2 * 5m\n  lvl: level_m\n'
  const { expression, faults } = condition('c and b.high > 2 and avg(lvl, w) > 1', BARE, extra)
  t.strictSame(printed(faults), [])
  const slope = "slope(level_m, 30m, method='theil_sen')"
  t.equal(printExpression(expression!), `${slope}.low > 1 and ${slope}.high > 2 and avg(level_m, 10m) > 1`)
})

t.test('a let may bear the name of a metric, which it then means itself', async (t) => {
  const { expression, faults } = condition('level_m > 1', BARE, 'let: { level_m: level_m * 100 }\n')
  t.strictSame(printed(faults), [])
  t.equal(printExpression(expression!), 'level_m * 100 > 1')
})

t.test(
  'lets that come back to themselves, hide a word of the language, or explode are refused',
  async (t) => {
    t.strictSame(printed(load(ruleText('a > 1', 'let: { a: b + 1, b: a + 1 }\n')).faults), [
      "4:8 error HD_RULE_CYCLE the let 'a' is made of itself",
    ])
    t.match(
      printed(load(ruleText('true', 'let: { hour: level_m }\n')).faults)[0],
      /^4:8 error HD_CONFIG_VALUE 'hour' has a meaning/,
    )
    const doubling = Array.from(
      { length: 30 },
      (_, i) => `  x${i}: ${i === 0 ? 'level_m' : `x${i - 1} + x${i - 1}`}\n`,
    ).join('')
    const started = performance.now()
    const { faults } = load(ruleText('x29 > 1', `let:\n${doubling}`))
    t.match(printed(faults)[0], /^15:11 error HD_RULE_LIMIT with its lets written out/)
    t.equal(faults.length, 1, 'told once')
    t.ok(performance.now() - started < 500)
    const chain = Array.from({ length: 500 }, (_, i) => `  x${i}: x${i + 1} + 1\n`).join('')
    t.match(
      printed(load(ruleText('x0 > 1', `let:\n${chain}  x500: level_m\n`)).faults)[0],
      /HD_RULE_LIMIT more than 64 lets/,
    )
  },
)

t.test('a free attribute takes the type of what it meets', async (t) => {
  const types = (text: string, environment = BARE) => {
    const { expression, faults } = condition(text, environment)
    const found: string[] = []
    if (expression !== null)
      walk(expression, (node) => {
        if (node.kind === 'name') found.push(`${printExpression(node)} ${node.type}`)
      })
    return [...found, ...faults.map(({ code }) => code)]
  }
  t.strictSame(types('attrs.speed > 5'), ['attrs.speed number'])
  t.strictSame(types("attrs.route == 'x'"), ['attrs.route text'])
  t.strictSame(types('attrs.ok and attrs.n + 1 > 2'), ['attrs.ok boolean', 'attrs.n number'])
  t.strictSame(types('attrs.a == attrs.b'), ['attrs.a text', 'attrs.b text'])
  t.strictSame(types('attrs.a < attrs.b'), ['attrs.a number', 'attrs.b number'])
  t.strictSame(types('attrs.a in [1, 2]'), ['attrs.a number'])
  t.strictSame(types('device.depth > 5'), ['device.depth number'], 'no registry: no word about it')
  t.strictSame(types('device.datum_m > 1 and device.electric', CITY), [
    'device.datum_m number',
    'device.electric boolean',
  ])
  t.strictSame(types("device.datum_m == 'x'", CITY), ['HD_RULE_TYPE'], 'typed by the registry')
  t.strictSame(types('device.expected_interval > 5m'), ['device.expected_interval duration'])
  const { faults } = condition('device.datm_m > 1', CITY)
  t.match(printed(faults), [
    /warning HD_RULE_UNKNOWN_NAME no registered device has 'datm_m'.*did you mean 'datum_m'/,
  ])
})

t.test('what a rule reads decides what judges it', async (t) => {
  const facts = (text: string, extra = '') => {
    const { rules, faults } = load(ruleText(text, extra))
    t.strictSame(printed(faults), [], text)
    const { metrics, readsMessage, qualityNamed } = rules[0]!
    return [metrics.join(), readsMessage, qualityNamed]
  }
  t.strictSame(facts('temp_c > 1 and avg(level_m, 5m) > 1 and temp_c < 9'), ['temp_c,level_m', false, 0])
  t.strictSame(facts("label == 'x' and confidence > 0.5"), ['confidence', true, 0])
  t.strictSame(facts('count_if(temp_c > 57, 5m) > 1 or time_to(level_m, co2_ppm, 1h) < 5m'), [
    'temp_c,level_m,co2_ppm',
    false,
    0,
  ])
  t.strictSame(facts('attrs.x == 1 and level_m > 1'), ['level_m', true, 0])
  t.strictSame(facts("speed_kmh > 5 and in_zone('port')"), ['speed_kmh', true, 0])
  t.strictSame(facts('speed_kmh > 5 and lat > 1'), ['speed_kmh', true, 0])
  t.strictSame(facts("level_m > 1 and near_alert('r', 5) > 1"), ['level_m', true, 0])
  t.strictSame(facts('level_m > 1', 'key: [zone]\n'), ['level_m', true, 0])
  t.strictSame(facts('distinct(label, 5m) > 1 and level_m > 1'), ['level_m', true, 0])
  t.strictSame(facts('distinct(device, 5m) > 1 and level_m > 1'), ['level_m', false, 0])
  t.strictSame(facts('level_m > 1 and not quality.calibrating and quality.no_time'), [
    'level_m',
    false,
    512 + 1,
  ])
  t.strictSame(facts('quality.bad'), ['', true, 1024], 'nothing else could judge it')
  t.strictSame(facts('vn_aqi() > 100'), ['pm25_ugm3,pm10_ugm3,o3_ugm3,no2_ugm3,so2_ugm3,co_ugm3', false, 0])
  t.strictSame(
    facts('x > 1', 'let: { y: rain_mm, x: level_m }\n'),
    ['level_m', false, 0],
    'an unused let is not read',
  )
  t.strictSame(facts('across(max, level_m) > 1 and count_devices(temp_c > 1) > 2'), [
    'level_m,temp_c',
    false,
    0,
  ])
})

t.test('every metric of metrics.yaml, event and position can be named', async (t) => {
  for (const metric of [...METRICS.keys(), 'event', 'position'])
    t.strictSame(printed(condition(`${metric} > 1 and count(${metric}, 5m) > 1`).faults), [], metric)
})
