import { mkdir, open, readFile, rename } from 'node:fs/promises'
import path from 'node:path'
import type { Shipment } from './shipment.js'

/** What the shipper writes down. `queue[0]` is under way; more than one while a refused shipment stands split. */
export interface ShippingState {
  /** All records up to here are in the store, or set aside. */
  readonly shipped: number
  readonly queue: readonly Shipment[]
  readonly set_aside: number
}

/** Durable memory of the shipper; the simulation has its own. */
export interface ShipmentFiles {
  /** The last state saved; null where there is none. Throws where it cannot be read: guessing would double rows. */
  load(): Promise<ShippingState | null>
  /** Durable when it resolves. */
  save(state: ShippingState): Promise<void>
  /** Keeps the payload of a shipment that the store would not take. */
  setAside(name: string, payload: Uint8Array): Promise<void>
}

const FORMAT = 1

/** In `directory`: shipments.json (replaced whole: write, fsync, rename, fsync) and set-aside/. */
export function shipmentFiles(directory: string): ShipmentFiles {
  const file = path.join(directory, 'shipments.json')
  return {
    async load() {
      let text: string
      try {
        text = await readFile(file, 'utf8')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
        throw error
      }
      const { format, ...state } = JSON.parse(text) as ShippingState & { format: number }
      if (format !== FORMAT) throw new Error(`${file}: format ${format}, this program reads ${FORMAT}`)
      return state
    },
    async save(state) {
      await mkdir(directory, { recursive: true })
      await replace(file, Buffer.from(`${JSON.stringify({ format: FORMAT, ...state })}\n`))
    },
    async setAside(name, payload) {
      const aside = path.join(directory, 'set-aside')
      await mkdir(aside, { recursive: true })
      await replace(path.join(aside, name), payload)
    },
  }
}

async function replace(file: string, bytes: Uint8Array): Promise<void> {
  const draft = `${file}.tmp`
  const handle = await open(draft, 'w', 0o640)
  try {
    await handle.writeFile(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(draft, file)
  const directory = await open(path.dirname(file), 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
