/** How a level lives: every sentence of RULES.md about it as cases, through `haidang replay`. */
import { readdirSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { cases, replayed } from './replayed.js'

const folder = path.resolve(import.meta.dirname, '../../../test/acceptance/levels')
for (const file of readdirSync(folder)
  .filter((name) => name.endsWith('.yaml'))
  .sort())
  t.test(file.replace(/\.yaml$/, ''), async (t) => {
    for (const one of cases(`levels/${file}`))
      await t.test(one.name, async (t) => {
        const { printed, expected, ran } = await replayed(one, t.testdir({}))
        t.strictSame(printed, expected)
        t.match(ran.stderr, one.stderr === undefined ? /^$/ : new RegExp(one.stderr))
        t.equal(ran.code, one.code ?? 0)
      })
  })
