/**
 * What the log needs of a disk, narrow enough that the simulation can be one (torn writes, lost unsynced bytes, full).
 * Paths are whole; errors are Node's (`code`: ENOSPC, EIO, ENOENT …). Nothing here blocks the engine's thread: calls run
 * in Node's thread pool.
 */
import { type FileHandle, mkdir, open, readdir, rename, statfs, unlink } from 'node:fs/promises'

export interface Disk {
  makeDirectory(path: string): Promise<void>
  /** Names in a directory, in no order; empty where there is no such directory. */
  list(directory: string): Promise<string[]>
  /** `create`: empty, replacing what was there; `write`: what is there; `read`: that, read only (ENOENT if none). */
  open(path: string, mode: 'create' | 'write' | 'read'): Promise<DiskFile>
  /** Atomic; replaces what stood at `to`. Durable after syncDirectory. */
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  /** Makes creations, renames and unlinks in this directory durable. */
  syncDirectory(directory: string): Promise<void>
  /** Bytes that could still be written in this directory. */
  freeBytes(directory: string): Promise<number>
}

export interface DiskFile {
  /** Writes all of `bytes` at `position`, or throws having written any part of it. `bytes` must not change meanwhile. */
  write(bytes: Uint8Array, position: number): Promise<void>
  /** Fills `into` from `position`; returns fewer bytes only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>
  size(): Promise<number>
  /** fdatasync: when it returns, what was written survives a power cut. */
  sync(): Promise<void>
  truncate(length: number): Promise<void>
  close(): Promise<void>
}

/** The machine's disk. */
export const realDisk: Disk = {
  async makeDirectory(path) {
    await mkdir(path, { recursive: true })
  },
  async list(directory) {
    try {
      return await readdir(directory)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
  },
  async open(path, mode) {
    return new RealFile(await open(path, mode === 'create' ? 'w+' : mode === 'write' ? 'r+' : 'r', 0o640))
  },
  rename,
  unlink,
  async syncDirectory(directory) {
    const handle = await open(directory, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  },
  async freeBytes(directory) {
    const { bavail, bsize } = await statfs(directory)
    return bavail * bsize
  },
}

class RealFile implements DiskFile {
  readonly #handle: FileHandle

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, position + done)
      done += bytesWritten
    }
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let done = 0
    while (done < into.length) {
      const { bytesRead } = await this.#handle.read(into, done, into.length - done, position + done)
      if (bytesRead === 0) break
      done += bytesRead
    }
    return done
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size
  }

  sync(): Promise<void> {
    return this.#handle.datasync()
  }

  truncate(length: number): Promise<void> {
    return this.#handle.truncate(length)
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}
