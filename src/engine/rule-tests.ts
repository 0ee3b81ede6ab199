/**
 * The rules' own `tests:`: each runs its rule in a core of its own, over one device made of the test's `device`, fed
 * with the test's series. The same core as live, so a test says what the city would have been told. Pure.
 */
import type { Rule, RuleTest, TestExpectation, TestMessage } from '../../rules/language/ast.js'
import { documentTexts } from '../../rules/language/documents.js'
import { printDuration } from '../../rules/language/print.js'
import { operatorCalls, ruleExpressions } from '../../rules/language/walk.js'
import type { Level, Transition } from '../model/alert.js'
import { LEVELS } from '../model/alert.js'
import { SampleBatch } from '../model/columns.js'
import type { Fault } from '../model/errors.js'
import { textRecords } from './configure.js'
import { Core } from './core.js'

export interface RuleTestResult {
  readonly rule: string
  readonly test: string
  /** One for each expectation that was not met, at its line. */
  readonly faults: readonly Fault[]
}

export interface RuleTestSetting {
  readonly files: readonly { readonly file: string; readonly text: string }[]
  /** JSON list of YAML texts, and GeoJSON, as the core takes them. */
  readonly metrics: string
  readonly zones: string
  readonly timezone: string
}

/** Level that people see: `unknown` while the data is. */
type Shown = Level | 'unknown'

/**
 * Runs every test of `rules`, one by one. What a rule reads of others by alert() is loaded beside it. The test's device
 * is called `test` unless it says otherwise, and what the rule's key needs and the test leaves out is filled in.
 */
export function* runRuleTests(rules: readonly Rule[], setting: RuleTestSetting): Generator<RuleTestResult> {
  const byId = new Map(rules.map((rule) => [rule.id, rule]))
  const texts = new Map(setting.files.map(({ file, text }) => [file, text]))
  for (const rule of rules) {
    if (rule.tests.length === 0) continue
    const documents = withWatched(rule, byId).map((one) => ({
      file: one.file,
      text: documentOf(texts.get(one.file) ?? '', one.line),
    }))
    for (const test of rule.tests) {
      const transitions = played(rule, test, documents, setting)
      if (typeof transitions === 'string') {
        yield {
          rule: rule.id,
          test: test.name,
          faults: [failure(rule, test, test.line, transitions, texts.get(rule.file) ?? '')],
        }
        continue
      }
      const faults = test.expect
        .map((expectation) => unmet(expectation, test, transitions))
        .flatMap((message, i) =>
          message === null
            ? []
            : [failure(rule, test, test.expect[i]!.line, message, texts.get(rule.file) ?? '')],
        )
      yield { rule: rule.id, test: test.name, faults }
    }
  }
}

/** A rule and the rules whose levels it reads, and theirs. */
function withWatched(rule: Rule, byId: ReadonlyMap<string, Rule>): Rule[] {
  const found = new Set([rule])
  for (const one of found)
    for (const call of operatorCalls(ruleExpressions(one))) {
      const watched = byId.get(String(call.constants['rule'] ?? ''))
      if (watched !== undefined) found.add(watched)
    }
  return [...found]
}

/** The document of a file that begins at or holds a line. */
function documentOf(text: string, line: number): string {
  let first = 1
  for (const { text: document } of documentTexts(text)) {
    const lines = document.split('\n').length - 1
    if (line < first + lines || first + lines === 1) return document
    first += lines
  }
  return documentTexts(text).at(-1)!.text
}

/** Transitions of the rule in the test, or why the rule does not load over the test's device. */
function played(
  rule: Rule,
  test: RuleTest,
  files: readonly { readonly file: string; readonly text: string }[],
  setting: RuleTestSetting,
): Transition[] | string {
  const core = new Core({ timezone: setting.timezone })
  const out: Transition[] = []
  const device = testDevice(rule, test)
  const registry = JSON.stringify({ devices: [device] })
  const texts = { metrics: setting.metrics, registry, zones: setting.zones, rules: JSON.stringify(files) }
  for (const record of textRecords(texts, test.start)) core.apply(record, out)
  const refused = core.faults.find(({ severity }) => severity === 'error')
  if (refused !== undefined) return `with this device the rule does not load: ${refused.message}`
  const { index } = core
  const feed = index.sources.id('test')
  const stream = test.stream ?? rule.streams?.[0] ?? 'sensor'
  const id = index.devices.id(String(device['device']))
  const batch = new SampleBatch(8)
  let seq = core.seq
  for (const { time, metrics, label, lat, lon, attrs, ...message } of messages(test)) {
    batch.clear()
    for (const [metric, value] of Object.entries(metrics))
      batch.append(
        index.series(id, index.metrics.id(metric)),
        time,
        value,
        index.labels.id(label),
        lat,
        lon,
        0,
        attrs,
      )
    const { length: to } = batch
    const streamId = index.streams.id(message.stream ?? stream)
    core.apply(
      {
        kind: 'message',
        seq: ++seq,
        received: time,
        feed,
        source: feed,
        stream: streamId,
        identity: 0,
        batch,
        from: 0,
        to,
      },
      out,
    )
  }
  // Timers run on to the last moment that is asked about, those due at that moment included.
  const last = Math.max(...test.expect.map((one) => ('at' in one ? one.at : one.within[1])), 0)
  core.apply({ kind: 'tick', seq: ++seq, received: test.start + last + 1 }, out)
  return out.filter((transition) => transition.rule === rule.id)
}

/**
 * Everything that the device sends, in order. Fed samples of one time are one message, as a device that measures several
 * things sends them; a label or a position without a number is the metric that stands for it.
 */
function messages(test: RuleTest): TestMessage[] {
  const byTime = new Map<number, Record<string, number>>()
  for (const { metric, samples } of test.feed)
    for (const { time, value } of samples) {
      const metrics = byTime.get(time)
      if (metrics === undefined) byTime.set(time, { [metric]: value })
      else metrics[metric] = value
    }
  const nowhere = { lat: Number.NaN, lon: Number.NaN }
  const fed = [...byTime].map(([time, metrics]) => ({
    time,
    metrics,
    stream: null,
    label: '',
    attrs: '',
    ...nowhere,
  }))
  const sent = test.messages.map((message) =>
    Object.keys(message.metrics).length > 0
      ? message
      : { ...message, metrics: { [message.label === '' ? 'position' : 'event']: 1 } },
  )
  return [...fed, ...sent].sort((a, b) => a.time - b.time)
}

function testDevice(rule: Rule, test: RuleTest): Record<string, unknown> {
  const device: Record<string, unknown> = { device: 'test', ...test.device }
  for (const attribute of rule.key) if (attribute !== 'zone') device[attribute] ??= 'test'
  return device
}

/** Why an expectation is not met, or null. */
function unmet(
  expectation: TestExpectation,
  test: RuleTest,
  transitions: readonly Transition[],
): string | null {
  if ('at' in expectation) {
    const level = levelAt(transitions, test.start + expectation.at)
    return level === expectation.level
      ? null
      : `at ${printDuration(expectation.at)} the level is ${level}, not ${expectation.level}${history(transitions, test.start)}`
  }
  const [from, to] = expectation.within
  const met = transitions.some((one) => {
    const at = one.time - test.start
    if (at < from || at > to || shown(one) !== expectation.level) return false
    // A rise; to `none` and `unknown` any change is meant.
    return one.status !== 'firing' || LEVELS.indexOf(one.level) > LEVELS.indexOf(one.previous)
  })
  return met
    ? null
    : `no change to ${expectation.level} between ${printDuration(from)} and ${printDuration(to)}${history(transitions, test.start)}`
}

function shown(transition: Transition): Shown {
  if (transition.status === 'unknown') return 'unknown'
  return transition.status === 'resolved' ? 'none' : transition.level
}

function levelAt(transitions: readonly Transition[], time: number): Shown {
  let level: Shown = 'none'
  for (const transition of transitions) if (transition.time <= time) level = shown(transition)
  return level
}

function history(transitions: readonly Transition[], start: number): string {
  if (transitions.length === 0) return ': the rule never fired'
  const shownFirst = transitions.slice(0, 8).map((one) => `${printDuration(one.time - start)} ${shown(one)}`)
  return `: ${shownFirst.join(', ')}${transitions.length > 8 ? ' …' : ''}`
}

function failure(rule: Rule, test: RuleTest, line: number, message: string, text: string): Fault {
  const source = text.split('\n', line)[line - 1] ?? ''
  return {
    file: rule.file,
    line,
    // Past the indentation and the dash of its list.
    column: /^\s*(?:-\s+)?/.exec(source)![0].length + 1,
    code: 'HD_RULE_TEST_FAILED',
    message: `${rule.id}: ${test.name}: ${message}`,
    text: source,
    severity: 'error',
  }
}
