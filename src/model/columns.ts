/**
 * Samples as a struct of arrays: what a decoder appends to, what the core judges, what the log writes. There is no
 * row object between the wire and the chart.
 *
 *   row i:  series[i]  time[i]  value[i]  label[i]  lat[i]  lon[i]  quality[i]  attrs[i]
 *
 * `series` and `label` are ids of a SeriesIndex; `time` is ms UTC (event time); `lat`/`lon` are NaN where the sample
 * has no position of its own; `attrs` is JSON text or ''.
 */
export class SampleBatch {
  length = 0
  series: Uint32Array
  time: Float64Array
  value: Float64Array
  label: Uint32Array
  lat: Float32Array
  lon: Float32Array
  quality: Uint16Array
  attrs: string[]

  constructor(capacity = 256) {
    this.series = new Uint32Array(capacity)
    this.time = new Float64Array(capacity)
    this.value = new Float64Array(capacity)
    this.label = new Uint32Array(capacity)
    this.lat = new Float32Array(capacity)
    this.lon = new Float32Array(capacity)
    this.quality = new Uint16Array(capacity)
    this.attrs = new Array<string>(capacity).fill('')
  }

  append(
    series: number,
    time: number,
    value: number,
    label: number,
    lat: number,
    lon: number,
    quality: number,
    attrs: string,
  ): void {
    const i = this.length
    if (i === this.series.length) this.#grow()
    this.series[i] = series
    this.time[i] = time
    this.value[i] = value
    this.label[i] = label
    this.lat[i] = lat
    this.lon[i] = lon
    this.quality[i] = quality
    this.attrs[i] = attrs
    this.length = i + 1
  }

  /** Forgets rows from `length` on: how a decoder takes back a message that turned out bad half-way. */
  truncate(length: number): void {
    this.length = length
  }

  clear(): void {
    this.length = 0
  }

  #grow(): void {
    const capacity = this.series.length * 2
    this.series = copied(this.series, new Uint32Array(capacity))
    this.time = copied(this.time, new Float64Array(capacity))
    this.value = copied(this.value, new Float64Array(capacity))
    this.label = copied(this.label, new Uint32Array(capacity))
    this.lat = copied(this.lat, new Float32Array(capacity))
    this.lon = copied(this.lon, new Float32Array(capacity))
    this.quality = copied(this.quality, new Uint16Array(capacity))
    while (this.attrs.length < capacity) this.attrs.push('')
  }
}

function copied<T extends Uint32Array | Float64Array | Float32Array | Uint16Array>(from: T, to: T): T {
  to.set(from)
  return to
}
