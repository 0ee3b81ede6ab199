import { run } from './driver.js'
import { RANDOM } from './random.js'

run(RANDOM)
