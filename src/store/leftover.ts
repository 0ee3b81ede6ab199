import { readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { PID_FILE, PROCESS_TITLE } from './embedded/protocol.js'

/**
 * Ends the store process that a killed engine left behind, before a new one opens its data. `store.pid` may be old and
 * the pid another's by now: it is ours only if /proc still gives the start time written down and our title.
 * Resolves true where one was ended; waits until it is gone.
 */
export async function endLeftover(directory: string): Promise<boolean> {
  const file = path.join(directory, PID_FILE)
  const text = await readFile(file, 'utf8').catch(() => '')
  const match = /^(\d+) (\d+)\s*$/.exec(text)
  if (match === null) return false
  const pid = Number(match[1])
  const isOurs = async (): Promise<boolean> => {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
    const title = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    const fields = stat.slice(stat.lastIndexOf(') ') + 2).split(' ')
    // A zombie has let go of everything.
    return fields[19] === match[2] && fields[0] !== 'Z' && title.startsWith(PROCESS_TITLE)
  }
  if (pid <= 1 || pid === process.pid || !(await isOurs())) {
    await rm(file, { force: true })
    return false
  }
  process.kill(pid, 'SIGKILL')
  while (await isOurs()) await new Promise((resolve) => setTimeout(resolve, 20))
  await rm(file, { force: true })
  return true
}
