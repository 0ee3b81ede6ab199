/**
 * A disk that does what disks may: what was not synced can be lost or torn at any byte, in any order of sectors; names
 * not synced can come back or be gone; a sync may fail and have dropped what it was asked for; space runs out in the
 * middle of a write.
 */
import path from 'node:path'
import type { Disk, DiskFile } from '../../src/log/disk.js'
import type { Random } from './random.js'
import type { CrashKind, Life } from './world.js'

interface Change {
  readonly at: number
  /** null: truncated to `at`. */
  readonly bytes: Uint8Array | null
}

class Inode {
  /** What a reader sees. */
  bytes = new Uint8Array(0)
  /** What survives a power cut for certain. */
  durable = new Uint8Array(0)
  /** Since then, in order. */
  changes: Change[] = []
}

/** Names changed at once: a rename is two. */
type NameChange = readonly { readonly name: string; readonly inode: Inode | null }[]

export interface DiskFaults {
  /** Bytes of all files together. */
  capacity: number
  /** Chance that a write or sync fails with EIO. */
  ioErrors: number
  /** The next sync fails with EIO, once. */
  failNextSync: boolean
  /** Largest time of a sync, ms. */
  syncMs: number
  /** A disk that lies: says "synced" and has not. For proving that the simulation notices. */
  lies: boolean
}

const SECTOR = 512

export class SimulatedDisk {
  readonly faults: DiskFaults = {
    capacity: Number.POSITIVE_INFINITY,
    ioErrors: 0,
    failNextSync: false,
    syncMs: 0,
    lies: false,
  }
  readonly #random: Random
  #names = new Map<string, Inode>()
  #durableNames = new Map<string, Inode>()
  #nameChanges: NameChange[] = []

  constructor(random: Random) {
    this.#random = random
  }

  get usedBytes(): number {
    let sum = 0
    for (const inode of new Set(this.#names.values())) sum += inode.bytes.length
    return sum
  }

  /** Bytes of a file as they are now, to read or to damage. */
  contents(name: string): Uint8Array {
    const inode = this.#names.get(name)
    if (inode === undefined) throw errno('ENOENT', name)
    return inode.bytes
  }

  /** Replaces a file, durably: how a test damages one. */
  replace(name: string, bytes: Uint8Array): void {
    const inode = new Inode()
    inode.bytes = inode.durable = bytes.slice()
    this.#names.set(name, inode)
    this.#durableNames.set(name, inode)
  }

  names(): string[] {
    return [...this.#names.keys()].sort()
  }

  /** The machine loses power: what remains is what was synced, plus any part of what was not. */
  crash(kind: CrashKind): void {
    if (kind === 'kill') return
    const random = this.#random
    // Directories are journalled: changes survive up to some point, in order.
    for (const change of this.#nameChanges.slice(0, random.integer(0, this.#nameChanges.length)))
      applyName(this.#durableNames, change)
    this.#nameChanges = []
    this.#names = new Map(this.#durableNames)
    for (const inode of new Set(this.#names.values())) {
      inode.bytes = inode.durable = random.chance(0.5) ? this.#torn(inode) : this.#scattered(inode)
      inode.changes = []
    }
  }

  /** The disk as `life` sees it; dead when that is. */
  mount(life: Life): Disk {
    const sync = (): number => this.#random.next() * this.faults.syncMs
    return {
      makeDirectory: async () => {},
      list: async (directory) => {
        const found: string[] = []
        for (const name of this.#names.keys())
          if (path.dirname(name) === directory) found.push(path.basename(name))
        return found
      },
      open: (name, mode) => life.step(`open ${mode}`, 0, () => this.#open(life, name, mode)),
      rename: (from, to) =>
        life.step('rename', 0, () => {
          const inode = this.#names.get(from)
          if (inode === undefined) throw errno('ENOENT', from)
          this.#changeName([
            { name: to, inode },
            { name: from, inode: null },
          ])
        }),
      unlink: (name) =>
        life.step('unlink', 0, () => {
          if (!this.#names.has(name)) throw errno('ENOENT', name)
          this.#changeName([{ name, inode: null }])
        }),
      syncDirectory: () =>
        life.step('sync directory', sync(), () => {
          for (const change of this.#nameChanges) applyName(this.#durableNames, change)
          this.#nameChanges = []
        }),
      freeBytes: async () => Math.max(0, this.faults.capacity - this.usedBytes),
    }
  }

  #open(life: Life, name: string, mode: 'create' | 'write' | 'read'): DiskFile {
    let inode = this.#names.get(name)
    if (mode === 'create') {
      if (inode === undefined) {
        inode = new Inode()
        this.#changeName([{ name, inode }])
      } else this.#change(inode, { at: 0, bytes: null })
    }
    if (inode === undefined) throw errno('ENOENT', name)
    const file = inode
    return {
      write: (bytes, position) => {
        // The kernel copies when the call is made: the caller's buffer must not change before it returns.
        const copy = bytes.slice()
        return life.step('write', this.#random.next(), () => {
          this.#mayFail('write')
          const growth = Math.max(0, position + copy.length - file.bytes.length)
          const room = this.faults.capacity - this.usedBytes
          if (growth > room) {
            this.#change(file, {
              at: position,
              bytes: copy.subarray(0, Math.max(0, copy.length - growth + Math.max(0, room))),
            })
            throw errno('ENOSPC', name)
          }
          this.#change(file, { at: position, bytes: copy })
        })
      },
      read: async (into, position) => {
        const part = file.bytes.subarray(position, position + into.length)
        into.set(part)
        return part.length
      },
      size: async () => file.bytes.length,
      sync: () =>
        life.step('sync', this.#random.next() * this.faults.syncMs, () => {
          if (this.faults.lies) return
          if (this.faults.failNextSync || this.#random.chance(this.faults.ioErrors)) {
            this.faults.failNextSync = false
            // The kernel reports once and forgets: these bytes are still seen, and will never be on the disk.
            file.changes = file.changes.filter(() => this.#random.chance(0.5))
            throw errno('EIO', name)
          }
          // What a failed sync dropped stays dropped: only what is still pending becomes durable.
          for (const change of file.changes) file.durable = changed(file.durable, change)
          file.changes = []
        }),
      truncate: (length) => life.step('truncate', 0, () => this.#change(file, { at: length, bytes: null })),
      close: async () => {},
    }
  }

  #mayFail(what: string): void {
    if (this.#random.chance(this.faults.ioErrors)) throw errno('EIO', what)
  }

  #change(inode: Inode, change: Change): void {
    inode.bytes = changed(inode.bytes, change)
    inode.changes.push(change)
  }

  #changeName(change: NameChange): void {
    applyName(this.#names, change)
    this.#nameChanges.push(change)
  }

  /** Changes up to one of them, which is cut at any byte. */
  #torn(inode: Inode): Uint8Array<ArrayBuffer> {
    let bytes = inode.durable
    const whole = this.#random.integer(0, inode.changes.length)
    for (const change of inode.changes.slice(0, whole)) bytes = changed(bytes, change)
    const cut = inode.changes[whole]
    if (cut?.bytes)
      bytes = changed(bytes, {
        at: cut.at,
        bytes: cut.bytes.subarray(0, this.#random.integer(0, cut.bytes.length)),
      })
    return bytes
  }

  /** Each sector of each change by itself: the disk wrote them in its own order. */
  #scattered(inode: Inode): Uint8Array<ArrayBuffer> {
    let bytes = inode.durable
    for (const { at, bytes: written } of inode.changes) {
      if (written === null) {
        if (this.#random.chance(0.5)) bytes = changed(bytes, { at, bytes: null })
        continue
      }
      for (let from = 0; from < written.length; ) {
        const to = Math.min(written.length, (Math.floor((at + from) / SECTOR) + 1) * SECTOR - at)
        if (this.#random.chance(0.6))
          bytes = changed(bytes, { at: at + from, bytes: written.subarray(from, to) })
        from = to
      }
    }
    return bytes
  }
}

function changed(bytes: Uint8Array<ArrayBuffer>, change: Change): Uint8Array<ArrayBuffer> {
  if (change.bytes === null) {
    const next = new Uint8Array(change.at)
    next.set(bytes.subarray(0, change.at))
    return next
  }
  const next = new Uint8Array(Math.max(bytes.length, change.at + change.bytes.length))
  next.set(bytes)
  next.set(change.bytes, change.at)
  return next
}

function applyName(names: Map<string, Inode>, change: NameChange): void {
  for (const { name, inode } of change)
    if (inode === null) names.delete(name)
    else names.set(name, inode)
}

function errno(code: string, what: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: simulated, ${what}`), { code })
}
