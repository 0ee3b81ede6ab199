/** What is known before any sample: conditions over the registry, and the cost of a rule. */
import t from 'tap'
import { ruleCost } from '../../../rules/language/cost.js'
import { attributeTypes, registryValue } from '../../../rules/language/registry-values.js'
import { deviceRegistry } from '../../../src/model/registry.js'
import { BARE, condition, load, printed, ruleText } from './setting.js'

const REGISTRY = deviceRegistry(`
devices:
  - { device: a, kind: bus, site: depot, route: r1, seats: 40, electric: true, limit: { speed: 50 }, expected_interval: 10s }
  - { device: b, kind: gauge, site: nowhere, expected_interval: 1m }
sites:
  - { site: depot, name: Depot, ward: w1, lat: 20.8, lon: 106.7 }
`)
const CITY = { ...BARE, registry: REGISTRY }

function over(device: string, text: string): unknown {
  const { expression, faults } = condition(text, CITY)
  t.strictSame(printed(faults.filter(({ severity }) => severity === 'error')), [], text)
  const entry = REGISTRY.devices.get(device)!
  return registryValue(expression!, entry, REGISTRY.sites.get(entry.site ?? ''))
}

t.test('a condition over the registry is decided once a device, in three values', async (t) => {
  const cases: [text: string, bus: boolean | undefined, gauge: boolean | undefined][] = [
    ["device.kind == 'bus'", true, false],
    ["device.kind != 'bus'", false, true],
    ["device.kind in ['bus', 'tram']", true, false],
    ["device.route == 'r1'", true, undefined],
    ["not device.route == 'r1'", false, undefined],
    ["device.route in ['r1']", true, undefined],
    ['device.seats > 39 and device.seats <= 40', true, undefined],
    ['device.seats < 40 or device.seats >= 41', false, undefined],
    ['-device.seats < 0', true, undefined],
    ['device.electric', true, undefined],
    ['limit.speed >= 50', true, undefined],
    ['device.expected_interval < 30s', true, false],
    ["device == 'a'", true, false],
    ["device.ward == 'w1' and site.name == 'Depot' and site.lat > 20", true, false],
    ["site.name == 'nowhere'", false, true],
    ["device.kind == 'bus' and label == 'x'", undefined, false],
    ["label == 'x' and device.kind == 'bus'", undefined, false],
    ["device.kind == 'bus' or label == 'x'", true, undefined],
    ["label == 'x' or device.kind == 'bus'", true, undefined],
    ["label == 'x' or label in ['y']", undefined, undefined],
    ['level_m > 1', undefined, undefined],
    ['avg(level_m, 5m) > 1', undefined, undefined],
    ['true', true, true],
  ]
  for (const [text, bus, gauge] of cases) {
    t.equal(over('a', text), bus, `${text}: bus`)
    t.equal(over('b', text), gauge, `${text}: gauge`)
  }
  t.strictSame(
    [...attributeTypes(REGISTRY)],
    [
      ['route', 'text'],
      ['seats', 'number'],
      ['electric', 'boolean'],
    ],
  )
})

t.test('the cost of a rule names its operators, how their windows are kept, and its partition', async (t) => {
  const cost = (when: string, extra = '') => {
    const { rules, faults } = load(ruleText(when, extra), CITY)
    t.strictSame(printed(faults.filter(({ severity }) => severity === 'error')), [], when)
    return ruleCost(rules[0]!, REGISTRY)
  }
  const bus = "where: device.kind == 'bus'\n"
  const day = cost('avg(speed_kmh, 1d) > 1 and avg(speed_kmh, 10m) > avg(speed_kmh, 1d)', bus)
  t.strictSame(
    day.operators.map(({ operator, window }) => [operator, window]),
    [
      ['avg(speed_kmh, 1d)', 'panes of 1350s (8640 samples of a device in 1d)'],
      ['avg(speed_kmh, 10m)', 'exact (60 samples of a device in 10m)'],
    ],
    'equal calls are one operator',
  )
  t.match(
    cost('avg(level_m, 1d) > 1', "where: device.kind == 'gauge'\n").operators[0]!.window,
    /^exact \(1440 samples/,
  )
  t.match(
    cost('avg(level_m, 1d) > 1', "where: device.kind == 'pump'\n").operators[0]!.window,
    /^exact up to 4096 samples in 1d, panes of 1350s beyond/,
  )
  t.equal(cost('spike(level_m)').operators[0]!.window, '')
  t.equal(cost('level_m > 1').nodes, 3)
  t.equal(cost('level_m > 1').partition, 'ward')
  t.equal(cost('level_m > 1', 'key: agency\n').partition, 'none: second tier')
  t.match(cost('disagrees(level_m, 3, 500) > 1').partition, /^ward \(neighbours/)
  t.match(cost("near_alert('r', 500) > 1").partition, /^ward \(neighbours/)
  for (const one of day.operators) t.ok(one.cost !== '' && one.memory !== '' && one.family === 'set')
})
