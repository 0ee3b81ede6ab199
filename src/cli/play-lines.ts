/** Lines of a recording as the messages that a vendor would have published. Pure. */
import path from 'node:path'

/** One message to publish; `time` (ms) paces it. `topic` is MQTT's; a NATS publisher turns it into a subject. */
export interface Outgoing {
  readonly time: number
  readonly topic: string
  readonly native: boolean
  /** Payload at the moment `at` (ms UTC): the recording's own text unless times are shifted. */
  payload(at: number): string
}

export interface LineFault {
  readonly reason: string
}

/** Base name of a recording: `/x/airq_hanoi.ndjson.gz` → `airq_hanoi`. */
export function recordingName(file: string): string {
  return path
    .basename(file)
    .replace(/\.gz$/, '')
    .replace(/\.(ndjson|jsonl|json)$/, '')
}

/**
 * One line, native (`{"stream","device","time","metrics",…}`) or raw (`{"topic","time","payload"}`), as a message; a fault
 * where it is neither; undefined for an empty line. With `shift`, a native line's time is the moment it is published.
 */
export function outgoing(line: string, source: string, shift: boolean): Outgoing | LineFault | undefined {
  if (line.trim() === '') return undefined
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (error) {
    return { reason: `not JSON: ${(error as Error).message}` }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { reason: 'not an object' }
  const entry = value as Record<string, unknown>
  const pace = paceOf(entry)
  if (typeof entry['topic'] === 'string' && 'payload' in entry) {
    const body = typeof entry['payload'] === 'string' ? entry['payload'] : JSON.stringify(entry['payload'])
    return { time: pace, topic: entry['topic'], native: false, payload: () => body }
  }
  const { stream, device, source: _source, received: _received, ...body } = entry
  if (typeof stream !== 'string' || typeof device !== 'string')
    return { reason: 'neither stream and device nor topic and payload' }
  if (/[+#\0]/.test(stream + device) || stream === '' || device === '')
    return { reason: `'${stream}/${device}' cannot be a topic` }
  const payload = shift
    ? (at: number) => JSON.stringify({ ...body, time: Math.floor(at) })
    : constant(JSON.stringify(body))
  return { time: pace, topic: `haidang/v1/${stream}/${source}/${device}`, native: true, payload }
}

/** The moment a line was heard: its arrival where the recording tells it, else its own time; NaN where it has neither. */
function paceOf(entry: Record<string, unknown>): number {
  for (const moment of [entry['received'], entry['time']]) {
    if (typeof moment === 'number') return moment
    if (typeof moment === 'string') {
      const ms = Date.parse(moment)
      if (!Number.isNaN(ms)) return ms
    }
  }
  return Number.NaN
}

function constant(text: string): () => string {
  return () => text
}
