/**
 * What a name from outside may look like (device, metric, label, stream, source). Names become dictionary entries,
 * ClickHouse values and text on the wall, so what could deceive a reader or break a tool is refused, not repaired:
 * control characters (NUL to 0x1F, 0x7F to 0x9F), line separators, bidi and zero-width marks (an id that displays as
 * another id), the byte order mark, and lone surrogates (not encodable as UTF-8; with the flag `u` only lone ones match).
 */
const REFUSED = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]/u

/** True for 1 to `charsMax` UTF-16 units of printable text. O(length). */
export function isName(text: string, charsMax: number): boolean {
  return text.length > 0 && text.length <= charsMax && !REFUSED.test(text)
}

/** A foreign field name as a metric's: `TempC_SHT` → `tempc_sht`, `PM2.5` → `pm2_5`, `fillLevel` → `fill_level`. */
export function metricName(field: string): string {
  return field
    .replace(/([a-z0-9])([A-Z][a-z])/g, '$1_$2')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
}
