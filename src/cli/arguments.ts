/** Arguments of a command by node's own parser; a wrong one is a sentence, not a stack. */
import { type ParseArgsConfig, parseArgs } from 'node:util'

export type Options = NonNullable<ParseArgsConfig['options']>

export interface Parsed {
  readonly values: Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>
  readonly positionals: readonly string[]
}

/** Parsed arguments, or the reason why not. */
export function parseArguments(args: readonly string[], options: Options): Parsed | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options,
      allowPositionals: true,
      strict: true,
    })
    return { values, positionals }
  } catch (error) {
    return (error as Error).message
  }
}
