/** How a device id is made from topic and payload where the format's own way is not wanted. */
import type { SourceProfile } from '../../src/model/decoder.js'
import { HaidangError } from '../../src/model/errors.js'

/** Makes the device id of one message. Throws HD_DECODE_IDENTITY where what it names is not there. */
export type DeviceTemplate = (topic: string, separator: '/' | '.', payload: unknown) => string

/**
 * `{topic.3}` is one segment (counted from 0), `{topic.1+}` that one and all behind it as they stand, `{payload.a.b}`
 * a text or number of the payload; text around them stays: `cam-{topic.2}`.
 * Throws HD_CONFIG_VALUE where the template is none.
 */
export function deviceTemplate(template: string): DeviceTemplate {
  const parts: ((topic: string, separator: '/' | '.', payload: unknown) => string)[] = []
  let at = 0
  while (at < template.length) {
    const open = template.indexOf('{', at)
    if (open !== at) {
      const text = template.slice(at, open < 0 ? undefined : open)
      if (text.includes('}'))
        throw new HaidangError('HD_CONFIG_VALUE', `device '${template}': a } without its {`)
      parts.push(() => text)
    }
    if (open < 0) break
    const close = template.indexOf('}', open)
    if (close < 0) throw new HaidangError('HD_CONFIG_VALUE', `device '${template}': a { without its }`)
    parts.push(reference(template.slice(open + 1, close), template))
    at = close + 1
  }
  if (parts.length === 0) throw new HaidangError('HD_CONFIG_VALUE', 'device: the template is empty')
  return (topic, separator, payload) => {
    let device = ''
    for (const part of parts) device += part(topic, separator, payload)
    return device
  }
}

function reference(
  name: string,
  template: string,
): (topic: string, separator: '/' | '.', payload: unknown) => string {
  const topicPart = /^topic\.(\d{1,4})(\+?)$/.exec(name)
  if (topicPart !== null) {
    const from = Number(topicPart[1])
    const rest = topicPart[2] === '+'
    return (topic, separator) => {
      const segments = topic.split(separator)
      const text = rest ? segments.slice(from).join(separator) : (segments[from] ?? '')
      if (text === '')
        throw new HaidangError(
          'HD_DECODE_IDENTITY',
          `{${name}}: the topic '${topic.slice(0, 200)}' has no such segment`,
        )
      return text
    }
  }
  if (name.startsWith('payload.') && name.length > 'payload.'.length) {
    const path = name.slice('payload.'.length).split('.')
    return (_topic, _separator, payload) => {
      let value: unknown = payload
      for (const step of path)
        value =
          typeof value === 'object' && value !== null && Object.hasOwn(value, step)
            ? (value as Record<string, unknown>)[step]
            : undefined
      if (typeof value === 'string' && value !== '') return value
      if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value)
      throw new HaidangError('HD_DECODE_IDENTITY', `{${name}}: the payload has no such text`)
    }
  }
  throw new HaidangError(
    'HD_CONFIG_VALUE',
    `device '${template}': {${name}} is neither {topic.N}, {topic.N+} nor {payload.field}`,
  )
}

const compiled = new WeakMap<SourceProfile, DeviceTemplate | null>()

/** Device id by the profile's own template; undefined where the profile leaves it to the format. */
export function profileDevice(
  profile: SourceProfile,
  topic: string,
  separator: '/' | '.',
  payload: unknown,
): string | undefined {
  let template = compiled.get(profile)
  if (template === undefined) {
    template = profile.device === undefined ? null : deviceTemplate(profile.device)
    compiled.set(profile, template)
  }
  return template === null ? undefined : template(topic, separator, payload)
}
