/** Severity as a shape: it must be told apart without its colour (WALL.md 6). */
import type { Severity } from '../../src/server/wire.js'

const SVG = 'http://www.w3.org/2000/svg'
const SHAPES: Readonly<Record<Severity, string>> = {
  critical: 'M7.5 1h9L23 7.5v9L16.5 23h-9L1 16.5v-9z',
  high: 'M12 1.5 23.5 22H.5z',
  medium: 'M12 .5 23.5 12 12 23.5.5 12z',
  low: 'M12 1a11 11 0 1 0 0 22 11 11 0 0 0 0-22z',
}
const MARK = 'M10.6 5.5h2.8l-.5 8.5h-1.8zM12 16a1.5 1.5 0 1 1 0 3 1.5 1.5 0 0 1 0-3z'
const TICK = 'M6 12.5 10.5 17 18.5 8'

/** An icon whose shape can be changed in place: rows live as long as the page. */
export class SeverityIcon {
  readonly root: SVGSVGElement
  readonly #shape: SVGPathElement
  readonly #mark: SVGPathElement
  #shown = ''

  constructor() {
    this.root = document.createElementNS(SVG, 'svg')
    this.root.setAttribute('viewBox', '0 0 24 24')
    this.root.setAttribute('aria-hidden', 'true')
    this.#shape = document.createElementNS(SVG, 'path')
    this.#mark = document.createElementNS(SVG, 'path')
    this.#mark.setAttribute('class', 'mark')
    this.root.append(this.#shape, this.#mark)
  }

  /** `returned` is grey with a tick, whatever it was. */
  show(level: Severity, isOver: boolean): void {
    const shown = `${level} ${isOver}`
    if (shown === this.#shown) return
    this.#shown = shown
    this.#shape.setAttribute('d', SHAPES[level])
    this.#mark.setAttribute('d', isOver ? TICK : level === 'critical' ? MARK : '')
    this.root.setAttribute('class', `icon ${isOver ? 'over' : level}`)
  }
}
