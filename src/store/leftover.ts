import { readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { PID_FILE, PROCESS_TITLE } from './embedded/protocol.js'

/**
 * Ends the store process that a killed engine left behind, before a new one opens its data. `store.pid` may be old and
 * the pid another's by now: it is ours only if /proc still gives the start time written down and our title.
 * Resolves true where one was ended; waits until it has let go of its files.
 */
export async function endLeftover(directory: string): Promise<boolean> {
  const file = path.join(directory, PID_FILE)
  const match = /^(\d+) (\d+)\s*$/.exec(await readFile(file, 'utf8').catch(() => ''))
  if (match === null) return false
  const pid = Number(match[1])
  const startTime = match[2]!
  const title = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  const ours =
    pid > 1 && pid !== process.pid && title.startsWith(PROCESS_TITLE) && (await isThere(pid, startTime))
  if (ours) {
    process.kill(pid, 'SIGKILL')
    while (await isThere(pid, startTime)) await pause(10)
  }
  await rm(file, { force: true })
  return ours
}

/**
 * The process with this pid and start time still holds its files. Not judged by its title: a process that is being
 * ended loses that first, its files later. A zombie holds none, unless threads of it are still running.
 */
async function isThere(pid: number, startTime: string): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const fields = stat.slice(stat.lastIndexOf(') ') + 2).split(' ')
  if (fields[19] !== startTime) return false
  if (fields[0] !== 'Z' && fields[0] !== 'X') return true
  return (await readdir(`/proc/${pid}/task`).catch(() => [])).length > 1
}
