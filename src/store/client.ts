import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import {
  type ClickHouseClient,
  ClickHouseLogLevel,
  type ClickHouseSettings,
  createClient,
} from '@clickhouse/client'
import { HaidangError } from '../model/errors.js'

/** Where the store is: the embedded process' Unix socket, or an outside ClickHouse. */
export type StoreAddress = { readonly socket: string } | { readonly url: string }

export interface ClientOptions {
  /** Requests at once. */
  readonly connections: number
  /** A request that takes longer is given up (and in doubt, where it inserts). */
  readonly request_timeout_ms: number
  readonly settings?: ClickHouseSettings
}

/**
 * The one place that makes a ClickHouse client. The URL may hold user, password and database
 * (`https://user:password@host:8443/city`). Throws HD_CONFIG_VALUE for an address that is no http(s) URL.
 */
export function storeClient(address: StoreAddress, options: ClientOptions): ClickHouseClient {
  const shared = {
    application: 'haidang',
    max_open_connections: options.connections,
    request_timeout: options.request_timeout_ms,
    compression: { request: false, response: false },
    // Our own layers say what failed; the client's log would say it twice, on stdout.
    log: { level: ClickHouseLogLevel.OFF },
    ...(options.settings === undefined ? {} : { clickhouse_settings: options.settings }),
  }
  if ('socket' in address) {
    // Agent options reach net.connect(): the URL's host is only a name in the Host header then.
    const http_agent = new HttpAgent({
      keepAlive: true,
      maxSockets: options.connections,
      socketPath: address.socket,
    } as never)
    return createClient({
      ...shared,
      url: 'http://store',
      http_agent,
      keep_alive: { enabled: true, idle_socket_ttl: 2500 },
    })
  }
  let url: URL
  try {
    url = new URL(address.url)
  } catch (cause) {
    throw new HaidangError('HD_CONFIG_VALUE', `HAIDANG_CLICKHOUSE_URL: '${address.url}' is no URL`, { cause })
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new HaidangError(
      'HD_CONFIG_VALUE',
      `HAIDANG_CLICKHOUSE_URL: ${url.protocol} is not http: or https: (the HTTP interface, port 8123 or 8443)`,
    )
  const agent =
    url.protocol === 'https:'
      ? new HttpsAgent({ keepAlive: true, maxSockets: options.connections })
      : new HttpAgent({ keepAlive: true, maxSockets: options.connections })
  return createClient({ ...shared, url, http_agent: agent })
}

/** ClickHouse's code of an error that its server answered; undefined where no answer came (then an insert is in doubt). */
export function clickhouseCode(error: unknown): number | undefined {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^\d+$/.test(code) ? Number(code) : undefined
}
