import t from 'tap'
import { matchesFilter } from '../../src/model/topic-filter.js'

t.test('topic filters match as MQTT 3.1.1 section 4.7 says', async (t) => {
  const cases: readonly [filter: string, topic: string, matches: boolean][] = [
    ['a/b', 'a/b', true],
    ['a/b', 'a/b/c', false],
    ['a/+', 'a/b', true],
    ['a/+', 'a', false],
    ['a/+', 'a/', true],
    ['a/#', 'a', true],
    ['a/#', 'a/b/c', true],
    ['#', 'a/b', true],
    ['#', '$SYS/x', false],
    ['+/x', '$SYS/x', false],
    ['$SYS/#', '$SYS/x', true],
    ['+/+', '/finance', true],
    ['/+', '/finance', true],
    ['+', '/finance', false],
  ]
  for (const [filter, topic, matches] of cases)
    t.equal(matchesFilter(filter, topic), matches, `${filter} ${topic}`)
})
