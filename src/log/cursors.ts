/**
 * Durable places in the log, one a consumer (each sink, the shipper): all records up to the cursor are done with. A
 * file each, `cursor-<name>.json`, replaced whole. A cursor that cannot be read counts as none: its consumer starts at
 * the beginning of the log and relies on its idempotency keys.
 */
import path from 'node:path'
import { replaceFile } from './atomic-file.js'
import { crc32c } from './crc32c.js'
import type { Disk } from './disk.js'

export class Cursors {
  readonly #disk: Disk
  readonly #directory: string

  constructor(disk: Disk, directory: string) {
    this.#disk = disk
    this.#directory = directory
  }

  /** Whether `name` ever saved its place, damaged or not. */
  async has(name: string): Promise<boolean> {
    return (await this.#read(fileName(name))) !== null
  }

  /** Seq up to which `name` is done; 0 where it never said or its file is damaged. */
  async load(name: string): Promise<number> {
    const bytes = await this.#read(fileName(name))
    if (bytes === null) return 0
    try {
      const { seq, crc } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { seq: unknown; crc: unknown }
      return typeof seq === 'number' && crc === checksum(name, seq) ? seq : 0
    } catch {
      // Not JSON: damaged, as above.
      return 0
    }
  }

  /** Durable when it resolves. Throws the disk's error; the old cursor stands then. */
  async save(name: string, seq: number): Promise<void> {
    const text = Buffer.from(`${JSON.stringify({ seq, crc: checksum(name, seq) })}\n`)
    await this.#disk.makeDirectory(this.#directory)
    await replaceFile(this.#disk, this.#directory, fileName(name), (file) => file.write(text, 0))
  }

  async #read(name: string): Promise<Uint8Array | null> {
    let file: Awaited<ReturnType<Disk['open']>>
    try {
      file = await this.#disk.open(path.join(this.#directory, name), 'read')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
      throw error
    }
    try {
      const bytes = new Uint8Array(await file.size())
      await file.read(bytes, 0)
      return bytes
    } finally {
      await file.close()
    }
  }
}

function checksum(name: string, seq: number): number {
  return crc32c(Buffer.from(`${name} ${seq}`))
}

/** Names come from configuration: what is no plain name is written as hex, so that none leaves the directory. */
function fileName(name: string): string {
  const plain = /^[a-z0-9][a-z0-9_-]{0,63}$/.test(name) ? name : `x${Buffer.from(name).toString('hex')}`
  return `cursor-${plain}.json`
}
