/**
 * Does an MQTT topic match a filter? `+` is one level, a last `#` the parent and everything below; a filter that begins
 * with a wildcard does not match topics that begin with `$` [MQTT-4.7.2-1]. O(length).
 *
 *   matchesFilter('application/+/device/#', 'application/1/device/a/event/up')  // true
 */
export function matchesFilter(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && /^[+#]/.test(filter)) return false
  const wanted = filter.split('/')
  const levels = topic.split('/')
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i] === '#') return true
    if (i >= levels.length || (wanted[i] !== '+' && wanted[i] !== levels[i])) return false
  }
  return wanted.length === levels.length
}
