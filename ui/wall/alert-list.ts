/**
 * The list of alerts: a fixed number of rows that live as long as the page and are written anew in place. Nothing slides,
 * nothing scrolls; what does not fit is counted in the last line.
 */
import type { AlertState, Severity } from '../../src/server/wire.js'
import { element, setClass, setText } from './dom.js'
import type { Format } from './format.js'
import type { Translate } from './i18n.js'
import { SeverityIcon } from './icons.js'
import type { Params } from './params.js'
import { blinks, chooseRows, type Rows, rowClass, severityOf } from './rows.js'

/** The order of rows changes at most so often, ms (a new alert is shown at once). */
const RESORT_MS = 2000
const SEVERITIES: readonly Severity[] = ['critical', 'high', 'medium', 'low']

interface Row {
  readonly root: HTMLLIElement
  readonly icon: SeverityIcon
  readonly title: HTMLElement
  readonly tag: HTMLElement
  readonly place: HTMLElement
  readonly age: HTMLElement
}

export class AlertList {
  readonly root: HTMLElement
  readonly #list: HTMLUListElement
  readonly #more: HTMLElement
  readonly #moreText: HTMLElement
  readonly #moreCounts: readonly { level: Severity; box: HTMLElement; text: HTMLElement }[]
  readonly #empty: HTMLElement
  readonly #rows: Row[] = []
  readonly #params: Params
  readonly #translate: Translate
  readonly #format: Format
  /** Names of sites by id. */
  sites: Readonly<Record<string, string>> = {}
  #order: readonly string[] = []
  #sortedAt = Number.NEGATIVE_INFINITY
  #shown: Rows | null = null

  constructor(params: Params, translate: Translate, format: Format) {
    this.#params = params
    this.#translate = translate
    this.#format = format
    this.root = element('section', 'alerts')
    this.root.setAttribute('aria-label', translate('alerts'))
    this.#list = element('ul')
    this.#empty = element('p', 'empty', translate('no_alerts'))
    this.#more = element('p', 'more')
    this.#moreText = element('span', 'more-count')
    this.#more.append(this.#moreText)
    this.#moreCounts = SEVERITIES.map((level) => {
      const icon = new SeverityIcon()
      icon.show(level, false)
      const text = element('span')
      const box = element('span', 'count')
      box.append(icon.root, text)
      this.#more.append(box)
      return { level, box, text }
    })
    this.root.append(this.#list, this.#empty, this.#more)
  }

  /** What was listed at the last `render`. */
  get shown(): Rows | null {
    return this.#shown
  }

  /** Makes as many rows as fit, by the height that layout gave; returns how many. */
  fit(columns: number): number {
    this.root.style.removeProperty('--row')
    const least = measureRow(this.#list)
    const gap = Number.parseFloat(getComputedStyle(this.#list).rowGap) || 0
    const { clientHeight } = this.root
    // A layout without the list gives it no height.
    const perColumn = least === 0 ? 0 : Math.floor((clientHeight + gap) / (least + gap))
    if (perColumn > 0)
      this.root.style.setProperty('--row', `${Math.floor((clientHeight + gap) / perColumn - gap)}px`)
    const places = perColumn * columns
    while (this.#rows.length < places) this.#add()
    while (this.#rows.length > places) this.#rows.pop()!.root.remove()
    this.#order = []
    return places
  }

  /** Writes the rows. `now` is the server's clock (ms), `modelNow` the picture's, `at` the page's monotonic clock. */
  render(alerts: readonly AlertState[], now: number, modelNow: number, at: number): void {
    const chosen = this.#steady(chooseRows(alerts, this.#params.sev, this.#rows.length, now), at)
    this.#shown = chosen
    for (const [i, row] of this.#rows.entries()) {
      const alert = chosen.rows[i]
      if (alert === undefined) row.root.hidden = true
      else this.#write(row, alert, now, modelNow)
    }
    this.#empty.hidden = chosen.rows.length > 0 || chosen.hiddenTotal > 0
    this.#more.hidden = chosen.hiddenTotal === 0
    setText(this.#moreText, `+${chosen.hiddenTotal} ${this.#translate('more')}`)
    for (const { level, box, text } of this.#moreCounts) {
      box.hidden = chosen.hidden[level] === 0
      setText(text, String(chosen.hidden[level]))
    }
  }

  /** One blink: critical icons that are new are dark in every other second. */
  blink(alerts: ReadonlyMap<string, AlertState>, now: number, isOff: boolean): void {
    for (const [i, row] of this.#rows.entries()) {
      const alert = alerts.get(this.#shown?.rows[i]?.id ?? '')
      const off = isOff && alert !== undefined && blinks(alert, now)
      row.icon.root.classList.toggle('off', off)
    }
  }

  /** The same alerts keep their order for 2 s, so that rows do not dance; an alert that came or went breaks it. */
  #steady(chosen: Rows, at: number): Rows {
    const ids = chosen.rows.map((alert) => alert.id)
    const same = ids.length === this.#order.length && ids.every((id) => this.#order.includes(id))
    if (same && at - this.#sortedAt < RESORT_MS) {
      const byId = new Map(chosen.rows.map((alert) => [alert.id, alert]))
      return { ...chosen, rows: this.#order.map((id) => byId.get(id)!) }
    }
    this.#order = ids
    this.#sortedAt = at
    return chosen
  }

  #write(row: Row, alert: AlertState, now: number, modelNow: number): void {
    const { lang, blink } = this.#params
    const isOver = alert.condition === 'resolved'
    row.root.hidden = false
    row.root.dataset['id'] = alert.id
    setClass(row.root, `${rowClass(alert)}${!blink && blinks(alert, now) ? ' inverse' : ''}`)
    row.icon.show(severityOf(alert), isOver)
    row.icon.root.setAttribute('aria-label', this.#translate(severityOf(alert)))
    setText(row.title, alert.short[lang] || alert.title[lang])
    const tag = this.#tag(alert)
    row.tag.hidden = tag === ''
    setText(row.tag, tag)
    setText(row.place, this.#place(alert))
    setText(row.age, this.#aside(alert, modelNow))
  }

  /** Where to go: the site by its name, else the ward; then the device, by which people on the spot find it. */
  #place(alert: AlertState): string {
    const where = Object.hasOwn(this.sites, alert.site) ? this.sites[alert.site]! : alert.ward || alert.site
    return [where, alert.device].filter((part) => part !== '').join(' · ')
  }

  #tag(alert: AlertState): string {
    const translate = this.#translate
    if (alert.condition === 'unknown') return translate('unknown')
    if (alert.condition === 'resolved') return ''
    if (alert.flapping) return translate('flapping')
    if (alert.unconfirmed) return translate('unconfirmed')
    if (alert.escalated) return translate('escalated')
    return alert.acknowledged === null ? translate('new') : ''
  }

  /** Right end of the second line: who is on it, and for how long it has been so. */
  #aside(alert: AlertState, modelNow: number): string {
    const { time, age } = this.#format
    if (alert.resolved_at !== null && alert.condition === 'resolved')
      return `✓ ${this.#translate('over', { time: time(alert.resolved_at) })}`
    const parts: string[] = []
    if (alert.confirmed !== null) parts.push(`✓ ${this.#translate('confirmed')} ${alert.confirmed.by}`)
    else if (alert.acknowledged !== null)
      parts.push(`${this.#translate('acknowledged')} ${alert.acknowledged.by}`)
    if (alert.assigned !== null) parts.push(`→ ${alert.assigned.to}`)
    parts.push(age(modelNow - alert.opened))
    return parts.join(' · ')
  }

  #add(): void {
    const icon = new SeverityIcon()
    icon.root.setAttribute('role', 'img')
    icon.root.removeAttribute('aria-hidden')
    const root = element('li')
    const first = element('div', 'line first')
    const second = element('div', 'line second')
    const title = element('span', 'title')
    const tag = element('span', 'tag')
    const place = element('span', 'place')
    const age = element('span', 'age')
    first.append(title)
    second.append(place, tag, age)
    const text = element('div', 'text')
    text.append(first, second)
    root.append(icon.root, text)
    root.hidden = true
    this.#list.append(root)
    this.#rows.push({ root, icon, title, tag, place, age })
  }
}

/** Height of one row as the style gives it, px. */
function measureRow(list: HTMLElement): number {
  const probe = element('li', 'alert')
  list.append(probe)
  const height = probe.getBoundingClientRect().height
  probe.remove()
  return height
}
