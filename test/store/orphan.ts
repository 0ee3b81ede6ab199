/** Holds a store until it is killed, for the test of what becomes of the store then: `node orphan.js DIRECTORY`. */
import { StoreChild } from '../../src/store/child.js'

const child = await StoreChild.open({ directory: process.argv[2]!, checkToken: async () => null })
process.stdout.write(`${child.pid}\n`)
setInterval(() => undefined, 60_000)
