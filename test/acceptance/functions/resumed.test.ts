import { AIR } from './air.js'
import { runReloaded, runResumed } from './driver.js'
import { OTHERS } from './others.js'
import { PLACES } from './places.js'
import { RANDOM } from './random.js'
import { SCORES } from './scores.js'
import { SUCCESSION } from './succession.js'

const CASES = [...OTHERS, ...PLACES, ...SCORES, ...SUCCESSION, ...AIR, ...RANDOM]
runResumed(CASES)
runReloaded(CASES)
