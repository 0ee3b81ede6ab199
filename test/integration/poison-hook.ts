/**
 * Loaded into an engine by a test (NODE_OPTIONS --import): a core that fails over any message with the value 666. The
 * product has no such switch.
 */
import { Core } from '../../src/engine/core.js'
import type { EngineRecord } from '../../src/model/record.js'

const FATAL = 666
const original = Core.prototype.apply

Core.prototype.apply = function (this: Core, record: EngineRecord, ...rest): void {
  if (record.kind === 'message' && record.batch.value.subarray(record.from, record.to).includes(FATAL))
    throw new Error('the core fails over 666')
  original.call(this, record, ...rest)
}
