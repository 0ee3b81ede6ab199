/** The line on top: whether the wall may be believed, how many alerts stand, how old the data are, what time it is. */
import type { Severity } from '../../src/server/wire.js'
import { element, setClass, setText } from './dom.js'
import type { Format } from './format.js'
import type { Translate } from './i18n.js'
import { SeverityIcon } from './icons.js'
import type { Rows } from './rows.js'
import type { Verdict } from './state.js'

const SEVERITIES: readonly Severity[] = ['critical', 'high', 'medium', 'low']

export interface BarFacts {
  readonly verdict: Verdict
  readonly rows: Rows | null
  readonly backlog: number
  readonly feedsDown: readonly string[]
  /** ms until the next attempt to connect. */
  readonly retryIn: number
}

export class Bar {
  readonly root: HTMLElement
  readonly banner: HTMLElement
  readonly #chip: HTMLElement
  readonly #skew: HTMLElement
  readonly #feeds: HTMLElement
  readonly #counts: readonly { level: Severity; box: HTMLElement; text: HTMLElement }[]
  readonly #shelved: HTMLElement
  readonly #age: HTMLElement
  readonly #clock: HTMLElement
  readonly #date: HTMLElement
  readonly #translate: Translate
  readonly #format: Format

  constructor(translate: Translate, format: Format) {
    this.#translate = translate
    this.#format = format
    this.root = element('header', 'bar')
    this.banner = element('div', 'banner')
    this.banner.hidden = true
    this.#chip = element('span', 'chip')
    this.#skew = element('span', 'chip warn')
    this.#feeds = element('span', 'chip warn feeds')
    const counts = element('div', 'counts')
    this.#counts = SEVERITIES.map((level) => {
      const icon = new SeverityIcon()
      icon.show(level, false)
      icon.root.setAttribute('role', 'img')
      icon.root.setAttribute('aria-label', translate(level))
      icon.root.removeAttribute('aria-hidden')
      const text = element('span', 'number', '0')
      const box = element('span', `count ${level}`)
      box.append(icon.root, text)
      counts.append(box)
      return { level, box, text }
    })
    this.#shelved = element('span', 'shelved')
    this.#age = element('span', 'age')
    this.#clock = element('span', 'clock')
    this.#date = element('span', 'date')
    const time = element('div', 'time')
    time.append(this.#clock, this.#date)
    const left = element('div', 'left')
    left.append(element('span', 'brand', 'Hải Đăng'), this.#chip, this.#skew, this.#feeds)
    const right = element('div', 'right')
    right.append(counts, this.#shelved, this.#age, time)
    this.root.append(left, right)
  }

  render(facts: BarFacts): void {
    const { verdict, rows } = facts
    setClass(this.#chip, `chip ${verdict.state}`)
    setText(this.#chip, this.#chipText(facts))
    this.#skew.hidden = verdict.skew === 0
    if (verdict.skew !== 0)
      setText(this.#skew, this.#translate('skew', { n: Math.round(Math.abs(verdict.skew) / 1000) }))
    this.#feeds.hidden = facts.feedsDown.length === 0
    if (facts.feedsDown.length > 0)
      setText(this.#feeds, `${this.#translate('feeds_down')}: ${facts.feedsDown.join(', ')}`)
    for (const { level, box, text } of this.#counts) {
      const count = rows?.counts[level] ?? 0
      setText(text, String(count))
      box.classList.toggle('none', count === 0)
    }
    this.#shelved.hidden = (rows?.shelved ?? 0) === 0
    setText(this.#shelved, this.#translate('shelved', { n: rows?.shelved ?? 0 }))
    setText(this.#age, this.#ageText(verdict))
    const known = !Number.isNaN(verdict.modelNow)
    setText(this.#clock, known ? this.#format.clock(verdict.modelNow) : '--:--:--')
    setText(this.#date, known ? this.#format.date(verdict.modelNow) : '')
    const banner = this.#bannerText(facts)
    this.banner.hidden = banner === ''
    setText(this.banner, banner)
    setClass(this.banner, `banner ${verdict.state}`)
  }

  #chipText({ verdict, backlog }: BarFacts): string {
    const word = this.#translate(verdict.state)
    switch (verdict.state) {
      case 'delayed':
        return `${word} ${this.#format.stopwatch(verdict.lag)}`
      case 'backlog':
        return `${word} · ${this.#translate('backlog_rest', { n: this.#format.number(backlog, 0) })}`
      case 'replay':
        return `${word} ${this.#format.time(verdict.modelNow)}`
      default:
        return word
    }
  }

  #ageText({ dataAge, state }: Verdict): string {
    if (state === 'waiting' || state === 'replay') return ''
    if (dataAge === null) return this.#translate('data_none')
    const shown =
      dataAge < 10_000 ? `${this.#format.number(dataAge / 1000, 1)} s` : this.#format.stopwatch(dataAge)
    return `${this.#translate('data_age')} ${shown}`
  }

  #bannerText({ verdict, backlog, retryIn }: BarFacts): string {
    const word = this.#translate(verdict.state)
    if (verdict.state === 'waiting' && verdict.silence > 1000)
      return `${word} · ${this.#translate('waiting_since', { age: this.#format.stopwatch(verdict.silence) })}`
    if (verdict.state === 'disconnected') {
      const detail = this.#translate('disconnected_detail', {
        time: this.#format.clock(verdict.serverNow - verdict.silence),
        age: this.#format.stopwatch(verdict.silence),
        retry: Math.ceil(retryIn / 1000),
      })
      return `${word} · ${detail}`
    }
    if (verdict.state === 'backlog')
      return `${word} · ${this.#format.stopwatch(verdict.lag)} · ${this.#translate('backlog_rest', { n: this.#format.number(backlog, 0) })}`
    return ''
  }
}
