// Runs compiled test files, each in a process of its own, and adds up what they report (TAP).
//
// Not `tap` itself: it preloads its process tracer into every process that a test starts, engines and servers included,
// and costs about a second a file; `node file.js` speaks the same TAP in 0.2 s. `npx tap` still works (.taprc).
import { spawn } from 'node:child_process'
import path from 'node:path'
import { Parser } from 'tap-parser'

const running = new Set()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => {
    for (const child of running) endGroup(child.pid)
    process.exit(130)
  })

/** Ends a test's process group: the test and whatever it started. True if there was anything left to end. */
function endGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL')
    return true
  } catch {
    return false // ESRCH: all gone, as it should be
  }
}

/** Counts leaves as tap does: every assertion once; a failed or skipped subtest that has none such inside, as itself. */
function count(parser, totals) {
  let inside = null
  parser.on('child', (nested) => {
    inside = noTotals()
    count(nested, inside)
  })
  parser.on('assert', (point) => {
    const nested = inside ?? noTotals()
    inside = null
    const leaves = nested.passed + nested.failed + nested.skipped
    totals.passed += nested.passed
    totals.failed += nested.failed
    totals.skipped += nested.skipped
    totals.failures.push(...nested.failures)
    if (point.skip || point.todo) totals.skipped += leaves === 0 ? 1 : 0
    else if (point.ok) totals.passed += leaves === 0 ? 1 : 0
    else if (nested.failed === 0) {
      totals.failed++
      totals.failures.push(point.fullname || point.name || 'unnamed')
    }
  })
}

const noTotals = () => ({ passed: 0, failed: 0, skipped: 0, failures: [] })

/**
 * One file. Resolves to {file, passed, failed, skipped, failures, seconds, output}: a crash, a time-out, a broken plan
 * or a file without a single test point counts as one failure.
 */
export function runFile(file, { root, timeoutMs, env }) {
  return new Promise((resolve) => {
    const started = performance.now()
    const totals = noTotals()
    const chunks = []
    const child = spawn(process.execPath, ['--enable-source-maps', file], {
      cwd: root,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    running.add(child)
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      endGroup(child.pid)
    }, timeoutMs)
    let exit = null
    const parser = new Parser((results) => {
      const output = Buffer.concat(chunks).toString()
      const points = totals.passed + totals.failed + totals.skipped
      const wholly = points === 0 && /^1\.\.0/m.test(output) // a file that skips itself as a whole
      const fault = timedOut
        ? `timed out after ${timeoutMs / 1000} s`
        : results.bailout
          ? `bailed out: ${results.bailout}`
          : totals.failed === 0 && (exit !== 0 || !results.ok)
            ? `ended with exit code ${exit}`
            : points === 0 && !wholly
              ? 'has no test in it'
              : undefined
      if (wholly && fault === undefined) totals.skipped++
      if (fault !== undefined) {
        totals.failed++
        totals.failures.push(`${path.basename(file)} ${fault}`)
      }
      resolve({ file, ...totals, seconds: (performance.now() - started) / 1000, output })
    })
    count(parser, totals)
    child.stdout.on('data', (chunk) => {
      chunks.push(chunk)
      parser.write(chunk)
    })
    child.stderr.on('data', (chunk) => chunks.push(chunk))
    // 'exit', not 'close': a process that a test forgot may hold our pipe open for ever.
    child.on('exit', (code, signal) => {
      clearTimeout(timer)
      running.delete(child)
      exit = code ?? signal
      setImmediate(() => {
        if (endGroup(child.pid)) chunks.push(Buffer.from('# processes left behind were ended\n'))
        setTimeout(() => parser.end(), 20)
      })
    })
  })
}

/** Runs the files `jobs` at a time, in order; calls `report` with each result as it comes. */
export async function runFiles(files, jobs, options, report) {
  const queue = [...files]
  const worker = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift())
      report(await runFile(file, options))
  }
  await Promise.all(Array.from({ length: Math.max(1, Math.min(jobs, files.length)) }, worker))
}
