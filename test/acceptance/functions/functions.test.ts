import { AIR } from './air.js'
import { run } from './driver.js'
import { LANGUAGE } from './language.js'
import { OTHERS } from './others.js'
import { PLACES } from './places.js'
import { SCORES } from './scores.js'
import { SUCCESSION } from './succession.js'
import { TREND } from './trend.js'
import { WINDOWS } from './windows.js'

run([...WINDOWS, ...TREND, ...SCORES, ...SUCCESSION, ...PLACES, ...OTHERS, ...AIR, ...LANGUAGE])
