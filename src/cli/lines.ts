import type { Readable } from 'node:stream'

/** Lines of a UTF-8 stream, without their ends; an error of the stream is thrown to the reader. */
export async function* linesOf(stream: Readable): AsyncGenerator<string> {
  stream.setEncoding('utf8')
  let rest = ''
  for await (const chunk of stream as AsyncIterable<string>) {
    let from = 0
    // The rest had no line end: looking on from where the new chunk begins keeps one long line from costing its square.
    const looked = rest.length
    rest += chunk
    for (let end = rest.indexOf('\n', looked); end >= 0; end = rest.indexOf('\n', from)) {
      yield rest.slice(from, rest[end - 1] === '\r' ? end - 1 : end)
      from = end + 1
    }
    rest = rest.slice(from)
  }
  if (rest !== '') yield rest
}
