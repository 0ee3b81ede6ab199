import { parentPort } from 'node:worker_threads'
import { ArrowEncoder } from './arrow.js'
import { NAMES } from './columns.js'
import type { EncodeAnswer, EncodeRequest } from './encoding-thread.js'
import { textRows } from './rows.js'

/** The worker behind EncodingThread: encodes one shipment after the other. */
const encoder = new ArrowEncoder()

parentPort?.on('message', (request: EncodeRequest) => {
  let answer: EncodeAnswer
  const moved: ArrayBuffer[] = []
  try {
    if ('record' in request) {
      answer = { id: request.id, textRows: textRows(request.record) }
    } else {
      for (const name of NAMES) encoder.learn(name, request.texts[name])
      const bytes = encoder.encode(request.columns)
      moved.push(bytes.buffer as ArrayBuffer)
      answer = { id: request.id, bytes }
    }
  } catch (error) {
    answer = { id: request.id, error: (error as Error).message }
  }
  parentPort?.postMessage(answer, moved)
})
