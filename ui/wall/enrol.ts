/** Shown while this browser may not come in: the code for an operator to type, and a field for a token. */
import type { Enrolment } from '../../src/server/wire.js'
import { element, setText } from './dom.js'
import type { Translate } from './i18n.js'

const ASK_MS = 2000

export class EnrolScreen {
  readonly root: HTMLElement
  readonly #code: HTMLElement
  readonly #fault: HTMLElement
  readonly #field: HTMLInputElement
  readonly #admitted: () => void
  readonly #translate: Translate
  #enrolment: Enrolment | null = null
  #askedAt = Number.NEGATIVE_INFINITY
  #isOpen = false

  /** `admitted` is called when the cookie is there. */
  constructor(translate: Translate, admitted: () => void) {
    this.#translate = translate
    this.#admitted = admitted
    this.root = element('section', 'enrol')
    this.root.hidden = true
    this.#code = element('p', 'code', '…')
    this.#fault = element('p', 'fault')
    this.#field = element('input')
    this.#field.type = 'password'
    this.#field.autocomplete = 'off'
    this.#field.setAttribute('aria-label', translate('enrol_token'))
    this.#field.placeholder = translate('enrol_token')
    const form = element('form')
    form.append(this.#field, element('button', '', translate('enrol_enter')))
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      void this.#enter(this.#field.value.trim())
    })
    this.root.append(
      element('h1', '', translate('enrol')),
      element('p', '', translate('enrol_code')),
      this.#code,
      form,
      this.#fault,
    )
  }

  open(): void {
    if (this.#isOpen) return
    this.#isOpen = true
    this.root.hidden = false
    this.#enrolment = null
  }

  /** Called several times a second; asks the server every two. `wallClock` is the computer's clock, ms. */
  check(now: number): void {
    if (!this.#isOpen || now - this.#askedAt < ASK_MS) return
    this.#askedAt = now
    void (this.#enrolment === null ? this.#begin() : this.#claim(this.#enrolment))
  }

  async #begin(): Promise<void> {
    const answer = await post('/api/v1/walls/enrolments', null)
    if (answer?.status !== 200) {
      // Too many codes asked for, or no server: not so soon again.
      this.#askedAt += 5 * ASK_MS
      return
    }
    this.#enrolment = (await answer.json()) as Enrolment
    setText(this.#code, this.#enrolment.code.replace(/(\d{4})(\d{4})/, '$1 $2'))
  }

  async #claim({ code, secret }: Enrolment): Promise<void> {
    const answer = await post('/api/v1/walls/enrolments/claim', { code, secret })
    if (answer?.status === 200) this.#done()
    else if (answer?.status === 404) this.#enrolment = null
  }

  async #enter(token: string): Promise<void> {
    if (token === '') return
    const answer = await post('/api/v1/session', { token })
    if (answer?.status === 200) this.#done()
    else setText(this.#fault, this.#translate('enrol_wrong'))
  }

  #done(): void {
    this.#isOpen = false
    this.#field.value = ''
    setText(this.#fault, '')
    this.root.hidden = true
    this.#admitted()
  }
}

async function post(path: string, body: object | null): Promise<Response | null> {
  try {
    return await fetch(path, {
      method: 'POST',
      credentials: 'same-origin',
      ...(body === null
        ? {}
        : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
  } catch {
    return null // the server is away; the next round asks again
  }
}
