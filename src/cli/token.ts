/** `haidang token`: who may come in. A running engine takes over what is written here within seconds. */
import { existsSync } from 'node:fs'
import { chown, mkdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { didYouMean } from '../../rules/language/suggest.js'
import { HaidangError } from '../model/errors.js'
import type { Clock } from '../model/ports.js'
import { parseDuration } from '../model/time.js'
import { ROLES, Tokens } from '../server/tokens.js'
import type { Role } from '../server/wire.js'
import { parseArguments } from './arguments.js'
import { type Command, EXIT_FAULTS, EXIT_FINE, type Io, wrongUsage } from './command.js'
import { settingsBeside } from './settings-beside.js'

/** Longest name: it stands in the audit and on the wall. */
const NAME_CHARS_MAX = 100
/** As the engine's (start-engine.ts), which a command need not load. */
const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() }

export const token: Command = {
  name: 'token',
  summary: 'add, list and revoke the tokens of people and programs',
  usage: `haidang token add ROLE [--name NAME] [--expires 30d] | list | revoke ID …   (ROLE: ${ROLES.join(' ')})`,
  async run(args, io) {
    const parsed = parseArguments(args, { name: { type: 'string' }, expires: { type: 'string' } })
    if (typeof parsed === 'string') return wrongUsage(token, parsed, io)
    const { values, positionals } = parsed
    const [action, ...rest] = positionals
    const plan = planOf(action, rest, values as Values)
    if (typeof plan === 'string') return wrongUsage(token, plan, io)
    const settings = await settingsBeside(io)
    if (settings === null) return EXIT_FAULTS
    const file = path.join(settings.data, 'tokens.json')
    try {
      if (plan.action === 'add') await mkdir(settings.data, { recursive: true, mode: 0o700 })
      else if (!existsSync(file)) return nothingThere(plan, settings.data, io)
      const code = await carryOut(plan, await Tokens.open(file, systemClock), io)
      await giveToOwner(file)
      return code
    } catch (error) {
      if (!(error instanceof HaidangError) && (error as NodeJS.ErrnoException).code === undefined) throw error
      io.stderr.write(`haidang token: ${(error as Error).message}\n`)
      return EXIT_FAULTS
    }
  },
}

/** Written by root, the file must stay readable to the engine's own user, to whom the folder belongs. */
async function giveToOwner(file: string): Promise<void> {
  const [folder, { uid }] = [await stat(path.dirname(file)), await stat(file)]
  if (uid === 0 && folder.uid !== 0) await chown(file, folder.uid, folder.gid)
}

interface Values {
  readonly name?: string
  readonly expires?: string
}

type Plan =
  | { readonly action: 'add'; readonly role: Role; readonly name: string; readonly life: number | null }
  | { readonly action: 'list' }
  | { readonly action: 'revoke'; readonly ids: readonly string[] }

/** What is to be done, or why that cannot be. */
function planOf(
  action: string | undefined,
  rest: readonly string[],
  { name, expires }: Values,
): Plan | string {
  if (action !== 'add' && (name !== undefined || expires !== undefined))
    return '--name and --expires belong to add'
  switch (action) {
    case 'add': {
      const [role, more] = rest
      if (role === undefined) return 'which ROLE?'
      if (more !== undefined) return `'${more}' is one too many (a name goes into --name)`
      if (!(ROLES as readonly string[]).includes(role))
        return `there is no role '${role}'${didYouMean(role, ROLES)}`
      const life = expires === undefined ? null : parseDuration(expires)
      if (life === undefined || life === 0)
        return `--expires takes a duration like 12h or 30d, not '${expires}'`
      if (name !== undefined && (name.trim() === '' || name.length > NAME_CHARS_MAX))
        return `--name has 1 to ${NAME_CHARS_MAX} characters`
      return { action, role: role as Role, name: name?.trim() ?? role, life }
    }
    case 'list':
      return rest.length > 0 ? `'${rest[0]}' is one too many` : { action }
    case 'revoke':
      return rest.length === 0 ? 'which ID? (haidang token list)' : { action, ids: rest }
    default:
      return action === undefined ? 'add, list or revoke?' : `there is no 'token ${action}'`
  }
}

async function carryOut(plan: Plan, tokens: Tokens, io: Io): Promise<number> {
  if (plan.action === 'list') return list(tokens, io)
  if (plan.action === 'revoke') return await revoke(plan.ids, tokens, io)
  const { name, role, life } = plan
  const expires = life === null ? null : systemClock.now() + life
  const made = await tokens.create(name, role, expires)
  // The token alone on standard output, for `TOKEN=$(haidang token add analyst)`.
  io.stdout.write(`${made.token}\n`)
  io.stderr.write(`${role} '${name}', id ${made.id}, ${until(expires)}; the token is shown this once\n`)
  return EXIT_FINE
}

function list(tokens: Tokens, io: Io): number {
  for (const { id, role, name, created, expires } of tokens.list()) {
    const line = `${id}  ${role.padEnd(8)}  since ${day(created)}  ${until(expires).padEnd(17)}  ${printable(name)}`
    io.stdout.write(`${line}\n`)
  }
  return EXIT_FINE
}

async function revoke(ids: readonly string[], tokens: Tokens, io: Io): Promise<number> {
  let unknown = 0
  for (const id of ids) {
    if (await tokens.remove(id)) io.stdout.write(`${id} revoked\n`)
    else {
      unknown++
      io.stderr.write(`haidang token: there is no token '${printable(id)}' (haidang token list)\n`)
    }
  }
  return unknown > 0 ? EXIT_FAULTS : EXIT_FINE
}

function nothingThere(plan: Plan, folder: string, io: Io): number {
  io.stderr.write(`there are no tokens in ${folder} yet\n`)
  return plan.action === 'list' ? EXIT_FINE : EXIT_FAULTS
}

function until(expires: number | null): string {
  if (expires === null) return 'does not expire'
  return expires <= systemClock.now() ? `expired ${day(expires)}` : `until ${day(expires)}`
}

function day(time: number): string {
  return new Date(time).toISOString().slice(0, 10)
}

/** A name from a browser (an enrolled wall) must not steer a terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '?')
}
