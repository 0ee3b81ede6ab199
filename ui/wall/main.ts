/** The page `/wall`: reads its address and puts the wall up, or says what is wrong with the address. */
import { element } from './dom.js'
import { translator } from './i18n.js'
import { WallPage } from './page.js'
import { type ParamFault, parseParams } from './params.js'

const parsed = parseParams(location.search)
if ('faults' in parsed) showFaults(parsed.faults)
else void start(new WallPage(parsed.params, document.body))

async function start(page: WallPage): Promise<void> {
  // Text is measured for axes and rows: with the fallback font the measures would be wrong.
  await Promise.race([
    document.fonts.load('16px "Inter Variable"', 'aằ'),
    new Promise((r) => setTimeout(r, 3000)),
  ])
  page.start()
}

function showFaults(faults: readonly ParamFault[]): void {
  const screen = element('section', 'faults')
  for (const lang of ['vi', 'en'] as const) {
    const heading = element('h1', '', translator(lang)('wrong_address'))
    heading.lang = lang
    screen.append(heading)
  }
  const list = element('ul')
  for (const { name, value, allowed } of faults)
    list.append(
      element(
        'li',
        '',
        `${name}=${value} — ${translator('vi')('allowed')} / ${translator('en')('allowed')}: ${allowed}`,
      ),
    )
  screen.append(list)
  document.body.append(screen)
}
