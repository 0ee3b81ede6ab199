/** Files that are replaced whole: after a crash there is the old one or the new one, never a half. */
import path from 'node:path'
import type { Disk, DiskFile } from './disk.js'

/**
 * Writes `name` in `directory` through a temporary file: write, fsync, rename, fsync of the directory. Durable when it
 * returns; on an error the old file stands. `write` gets the empty temporary file.
 */
export async function replaceFile(
  disk: Disk,
  directory: string,
  name: string,
  write: (file: DiskFile) => Promise<void>,
): Promise<void> {
  const temporary = path.join(directory, `${name}.tmp`)
  const file = await disk.open(temporary, 'create')
  try {
    await write(file)
    await file.sync()
  } finally {
    await file.close()
  }
  await disk.rename(temporary, path.join(directory, name))
  await disk.syncDirectory(directory)
}
