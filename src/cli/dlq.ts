/** `haidang dlq`: messages that could not be used, seen and sent again through the REST of the running engine. */

import type { Settings } from '../config/settings.js'
import { HaidangError } from '../model/errors.js'
import type { DeadLetterStatus, DeadLettersRetried } from '../server/ports.js'
import { parseArguments } from './arguments.js'
import { type Command, EXIT_FAULTS, EXIT_FINE, type Io, wrongUsage } from './command.js'
import { settingsBeside } from './settings-beside.js'

const LIST_DEFAULT = 20
/** As the server's. */
const LIST_MAX = 1000
const REASON_CHARS = 100

type Plan =
  | { readonly action: 'list'; readonly limit: number; readonly before: number | undefined }
  | { readonly action: 'show'; readonly seq: number }
  | { readonly action: 'retry'; readonly selection: Readonly<Record<string, string | number>> }

export const dlq: Command = {
  name: 'dlq',
  summary: 'list, show and send again the messages that could not be used',
  usage:
    'haidang dlq list [--limit N] [--before SEQ] | show SEQ | retry [SEQ] [--code HD_…] [--source NAME] [--from SEQ] [--to SEQ]   (HAIDANG_TOKEN: admin)',
  async run(args, io) {
    const text = { type: 'string' } as const
    const parsed = parseArguments(args, {
      limit: text,
      before: text,
      code: text,
      source: text,
      from: text,
      to: text,
    })
    if (typeof parsed === 'string') return wrongUsage(dlq, parsed, io)
    const plan = planOf(parsed.positionals, parsed.values as Readonly<Record<string, string | undefined>>)
    if (typeof plan === 'string') return wrongUsage(dlq, plan, io)
    const settings = await settingsBeside(io)
    if (settings === null) return EXIT_FAULTS
    try {
      return await carryOut(plan, settings, io)
    } catch (error) {
      if (!(error instanceof HaidangError)) throw error
      io.stderr.write(`haidang dlq: ${error.message} [${error.code}]\n`)
      return EXIT_FAULTS
    }
  },
}

/** Options that belong to each action. */
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  list: ['limit', 'before'],
  show: [],
  retry: ['code', 'source', 'from', 'to'],
}

/** What is to be done, or why that cannot be. */
function planOf(
  [action = 'list', given, more]: readonly string[],
  values: Readonly<Record<string, string | undefined>>,
): Plan | string {
  const known = OPTIONS[action]
  if (known === undefined) return `there is no 'dlq ${action}': list, show or retry`
  for (const name of Object.keys(values))
    if (!known.includes(name)) return `--${name} does not belong to ${action}`
  if (more !== undefined || (action === 'list' && given !== undefined))
    return `'${more ?? given}' is one too many`
  const numbers: Record<string, number> = {}
  for (const name of ['limit', 'before', 'from', 'to']) {
    const text = values[name]
    if (text === undefined) continue
    if (!/^\d{1,15}$/.test(text)) return `--${name} takes a whole number, not '${text}'`
    numbers[name] = Number(text)
  }
  if (given !== undefined && !/^\d{1,15}$/.test(given)) return `SEQ is a whole number, not '${given}'`
  switch (action) {
    case 'list': {
      const limit = numbers['limit'] ?? LIST_DEFAULT
      if (limit < 1 || limit > LIST_MAX) return `--limit takes 1 to ${LIST_MAX}`
      return { action, limit, before: numbers['before'] }
    }
    case 'show':
      return given === undefined ? 'which SEQ?' : { action, seq: Number(given) }
    default: {
      const { code, source } = values
      if (given !== undefined && (numbers['from'] !== undefined || numbers['to'] !== undefined))
        return 'either SEQ or --from and --to'
      const range = given === undefined ? numbers : { from: Number(given), to: Number(given) }
      return {
        action: 'retry',
        selection: {
          ...range,
          ...(code === undefined ? {} : { code }),
          ...(source === undefined ? {} : { source }),
        },
      }
    }
  }
}

async function carryOut(plan: Plan, settings: Settings, io: Io): Promise<number> {
  if (plan.action === 'list') {
    const before = plan.before === undefined ? '' : `&before=${plan.before}`
    for (const letter of await letters(settings, `limit=${plan.limit}${before}`))
      io.stdout.write(lineOf(letter))
    return EXIT_FINE
  }
  if (plan.action === 'show') {
    const [letter] = await letters(settings, `limit=1&before=${plan.seq + 1}`)
    if (letter?.seq !== plan.seq)
      throw new HaidangError('HD_SERVE_NOT_FOUND', `there is no dead letter ${plan.seq}`)
    io.stdout.write(lineOf(letter, Number.POSITIVE_INFINITY))
    // As it came: `haidang dlq show 17 | xxd` where it is no text.
    io.stdout.write(Buffer.from(letter.bytes, 'base64'))
    io.stdout.write('\n')
    return EXIT_FINE
  }
  let retried = 0
  let cut = 0
  const refused = new Map<string, number>()
  for (let from: number | null | undefined; from !== null; ) {
    const body = from === undefined ? plan.selection : { ...plan.selection, from }
    const done = (await ask(settings, 'dead-letters/retry', body)) as DeadLettersRetried
    retried += done.retried
    cut += done.cut
    for (const [code, count] of Object.entries(done.refused))
      refused.set(code, (refused.get(code) ?? 0) + count)
    from = done.next
  }
  io.stdout.write(`${retried} sent again\n`)
  for (const [code, count] of refused) io.stdout.write(`${count} still cannot be used: ${code}\n`)
  if (cut > 0) io.stdout.write(`${cut} cannot be sent again: only their first 64 KiB were kept\n`)
  return refused.size > 0 || cut > 0 ? EXIT_FAULTS : EXIT_FINE
}

function lineOf(
  { seq, received, feed, topic, code, reason, size }: DeadLetterStatus,
  chars = REASON_CHARS,
): string {
  const why = reason.length > chars ? `${reason.slice(0, chars)}…` : reason
  // Topics and reasons hold what a stranger sent: nothing of it may speak to the terminal.
  const fields = [seq, new Date(received).toISOString(), feed, code, `${size} bytes`, topic, why]
  return `${fields.map((field) => printable(String(field))).join('  ')}\n`
}

function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd')
}

async function letters(settings: Settings, query: string): Promise<readonly DeadLetterStatus[]> {
  const { dead_letters } = (await ask(settings, `dead-letters?${query}`)) as {
    dead_letters: readonly DeadLetterStatus[]
  }
  return dead_letters
}

/** GET, or POST where there is a body. */
async function ask(
  { http: { host, port }, token }: Settings,
  route: string,
  body?: object,
): Promise<unknown> {
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}/api/v1/${route}`
  let answer: Response
  try {
    answer = await fetch(url, {
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    })
  } catch (cause) {
    throw new HaidangError(
      'HD_STORE_CONNECT',
      `no engine answers at ${new URL(url).origin}: set HAIDANG_HTTP to the address of its ready line`,
      { cause },
    )
  }
  if (answer.ok) return await answer.json()
  const problem = (await answer.json().catch(() => ({}))) as { detail?: string; title?: string }
  if (answer.status === 401 || answer.status === 403)
    throw new HaidangError(
      'HD_SERVE_AUTH',
      'dead letters are for admins: set HAIDANG_TOKEN to a token of theirs',
    )
  throw new HaidangError(
    'HD_SERVE_REQUEST',
    problem.detail ?? problem.title ?? `the engine answers ${answer.status}`,
  )
}
