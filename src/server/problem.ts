/** Errors as they leave the server: RFC 9457 problem documents. */
import { type ErrorCode, HaidangError } from '../model/errors.js'
import type { Problem } from './wire.js'

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'

const TITLES: Readonly<Record<number, string>> = {
  400: 'The request cannot be understood',
  401: 'A token is needed',
  403: 'Not allowed',
  404: 'There is no such thing',
  405: 'Not with this method',
  409: 'Somebody was faster',
  413: 'The request is too large',
  415: 'Only JSON is understood',
  429: 'Too many attempts',
  500: 'The server made a mistake',
  503: 'Not available now',
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  HD_SERVE_AUTH: 401,
  HD_SERVE_RIGHTS: 403,
  HD_SERVE_REQUEST: 400,
  HD_SERVE_NOT_FOUND: 404,
  HD_SERVE_CONFLICT: 409,
  HD_LOG_FULL: 503,
  HD_LOG_IO: 503,
  HD_STORE_CONNECT: 503,
  HD_STORE_QUERY: 400,
}

export function problem(status: number, code: ErrorCode, detail: string, instance: string): Problem {
  const path = instance.split('?', 1)[0]!
  return {
    type: `urn:haidang:error:${code}`,
    title: TITLES[status] ?? TITLES[500]!,
    status,
    detail,
    instance: path,
    code,
  }
}

/** The problem that an error is. What we did not expect says nothing about our inside. */
export function problemOf(error: unknown, instance: string): Problem {
  if (error instanceof HaidangError)
    return problem(STATUS[error.code] ?? 500, error.code, error.message, instance)
  const { statusCode, message, validation } = error as {
    statusCode?: number
    message?: string
    validation?: unknown
  }
  if (validation !== undefined) return problem(400, 'HD_SERVE_REQUEST', message ?? '', instance)
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return problem(statusCode, 'HD_SERVE_REQUEST', message ?? '', instance)
  return problem(500, 'HD_SERVE_REQUEST', 'see the log of the server', instance)
}

/** Answered 429. */
export function tooMany(): Error {
  return Object.assign(new Error('too many attempts, try again in a minute'), { statusCode: 429 })
}
