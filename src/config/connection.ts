/** How a broker is reached: secrets and certificates are read here, from the files and variables that are named. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Path } from './config-text.js'
import type { ConnectionDocument } from './document.js'
import type { Report } from './report.js'
import type { BrokerConnection } from './shape.js'

/** What the files of a connection are read by. */
export interface Reading {
  readonly report: Report
  readonly env: Readonly<Record<string, string | undefined>>
  /** Folder that the file's relative paths start from. */
  readonly base: string
}

/** No key or certificate chain is longer. */
const SECRET_CHARS_MAX = 256 * 1024

/** Schemes over which certificates mean something. NATS goes over to TLS when the server or `tls` asks for it. */
const TLS_SCHEMES = /^(mqtts|wss|https|nats|tls):/

/** Reads what `document` names; faults go to the report and leave that part out. */
export async function readConnection(
  document: ConnectionDocument,
  at: Path,
  reading: Reading,
): Promise<BrokerConnection> {
  const { report } = reading
  const { url, username, tls } = document
  const text = (key: keyof ConnectionDocument, begins: string) =>
    secretFile(document[key] as string | undefined, [...at, key], begins, reading)
  const password = await readPassword(document, at, reading)
  const token = (await text('token_file', ''))?.split('\n', 1)[0]?.trim()
  const creds = await text('creds_file', '-----BEGIN NATS USER JWT-----')
  if (username === undefined && password !== undefined)
    report.fault(at, 'HD_CONFIG_MISSING', "a password needs a 'username'", 'start')
  if ([password, token, creds].filter((way) => way !== undefined).length > 1)
    report.fault(
      at,
      'HD_CONFIG_VALUE',
      'one of password, token and creds is enough: which is meant?',
      'start',
    )
  if (tls !== undefined && !TLS_SCHEMES.test(url))
    report.fault(
      [...at, 'tls'],
      'HD_CONFIG_VALUE',
      `'tls' has no effect over ${url.split(':', 1)[0]}://`,
      'key',
    )
  if (tls !== undefined && (tls.cert_file === undefined) !== (tls.key_file === undefined))
    report.fault([...at, 'tls'], 'HD_CONFIG_MISSING', "'cert_file' and 'key_file' belong together", 'start')
  const pem = (key: 'ca_file' | 'cert_file' | 'key_file') =>
    secretFile(tls?.[key], [...at, 'tls', key], '-----BEGIN ', reading)
  const [ca, cert, key] = [await pem('ca_file'), await pem('cert_file'), await pem('key_file')]
  return {
    url,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(token === undefined ? {} : { token }),
    ...(creds === undefined ? {} : { creds }),
    ...(tls === undefined
      ? {}
      : {
          tls: {
            ...(ca === undefined ? {} : { ca }),
            ...(cert === undefined ? {} : { cert }),
            ...(key === undefined ? {} : { key }),
            ...(tls.servername === undefined ? {} : { servername: tls.servername }),
          },
        }),
  }
}

/** First line of `password_file`, or the variable `password_env` names. */
export async function readPassword(
  { password_file, password_env }: ConnectionDocument,
  at: Path,
  reading: Reading,
): Promise<string | undefined> {
  return await readSecret('password', { file: password_file, variable: password_env }, at, reading)
}

/** First line of the file under `<name>_file`, or the variable that `<name>_env` names. */
export async function readSecret(
  name: string,
  { file, variable }: { readonly file: string | undefined; readonly variable: string | undefined },
  at: Path,
  reading: Reading,
): Promise<string | undefined> {
  const { report, env } = reading
  if (file !== undefined && variable !== undefined)
    report.fault([...at, `${name}_env`], 'HD_CONFIG_VALUE', `'${name}_file' stands here already`, 'key')
  if (variable !== undefined) {
    const value = env[variable]
    if (value !== undefined && value !== '') return value
    report.fault([...at, `${name}_env`], 'HD_CONFIG_MISSING', `the variable ${variable} is not set`)
    return undefined
  }
  const text = await secretFile(file, [...at, `${name}_file`], '', reading)
  return text?.split('\n', 1)[0]?.replace(/\r$/, '')
}

async function secretFile(
  file: string | undefined,
  at: Path,
  begins: string,
  { report, base }: Reading,
): Promise<string | undefined> {
  if (file === undefined) return undefined
  const full = path.resolve(base, file)
  let text: string
  try {
    text = await readFile(full, 'utf8')
  } catch (error) {
    report.fault(
      at,
      'HD_CONFIG_MISSING',
      `${full} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
    )
    return undefined
  }
  if (text.trim() === '' || text.length > SECRET_CHARS_MAX || !text.includes(begins)) {
    const wanted = begins === '' ? 'has nothing in it' : `has no '${begins.trim()}'`
    report.fault(at, 'HD_CONFIG_VALUE', `${full} ${text.length > SECRET_CHARS_MAX ? 'is too large' : wanted}`)
    return undefined
  }
  return text
}

/** A URL's user and password (a variable may hold them), and the URL without. */
export function withoutUser(text: string): { url: string; username: string; password: string } {
  const url = new URL(text)
  const [username, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)]
  // Taken out of the text, not printed from the parts: `new URL` adds a slash to some and none to others.
  return { url: text.replace(/^([a-z]+:\/\/)[^/@]*@/i, '$1'), username, password }
}
