/** OpenAPI 3.1 assembled from the routes' own schemas: what is checked is what is described. */
import type { RouteOptions } from 'fastify'

interface Schema {
  readonly properties?: Readonly<Record<string, object>>
  readonly required?: readonly string[]
}

/** The document of all `/api/v1` routes. `routes` as fastify's onRoute gave them. */
export function openapi(routes: readonly RouteOptions[], version: string): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    if (!route.url.startsWith('/api/v1/')) continue
    const url = route.url.replace(/:(\w+)/g, '{$1}')
    for (const method of [route.method].flat()) {
      if (method === 'HEAD') continue
      paths[url] ??= {}
      paths[url][method.toLowerCase()] = operation(route)
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Hải Đăng',
      version,
      description: 'Times are ms UTC. Errors are RFC 9457 problem documents.',
    },
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        session: { type: 'apiKey', in: 'cookie', name: 'haidang_session' },
      },
      schemas: {
        Problem: {
          type: 'object',
          properties: {
            type: { type: 'string', format: 'uri-reference' },
            title: { type: 'string' },
            status: { type: 'integer' },
            detail: { type: 'string' },
            instance: { type: 'string' },
            code: { type: 'string', pattern: '^HD_' },
          },
          required: ['type', 'title', 'status', 'detail', 'instance', 'code'],
        },
      },
    },
  }
}

function operation(route: RouteOptions): object {
  const { config, schema } = route
  const roles = config?.roles
  return {
    summary: config?.summary ?? '',
    ...(roles === 'anyone' || roles === undefined
      ? { security: [] }
      : { security: [{ bearer: [] }, { session: [] }], 'x-roles': [...roles, 'admin'] }),
    parameters: [
      ...parameters(schema?.params as Schema | undefined, 'path'),
      ...parameters(schema?.querystring as Schema | undefined, 'query'),
    ],
    ...(schema?.body === undefined
      ? {}
      : { requestBody: { content: { 'application/json': { schema: schema.body } } } }),
    responses: {
      '2XX': { description: config?.answers ?? 'Done' },
      default: {
        description: 'Problem',
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  }
}

function parameters(schema: Schema | undefined, where: 'path' | 'query'): object[] {
  return Object.entries(schema?.properties ?? {}).map(([name, property]) => ({
    name,
    in: where,
    required: where === 'path' || (schema?.required ?? []).includes(name),
    schema: property,
  }))
}
