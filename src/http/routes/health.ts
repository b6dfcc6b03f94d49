import type { FastifyInstance } from 'fastify';

export type Readiness = 'ready' | 'starting' | 'overloaded' | 'draining';

/** /livez: 200 while the process responds. /readyz: 200 while it should get traffic. */
export function healthRoutes(app: FastifyInstance, readiness: () => Readiness): void {
  const config = { access: 'public', anyHost: true } as const;
  const headers = {
    'cache-control': 'no-store',
    'content-type': 'application/json; charset=utf-8',
  };

  app.get('/livez', { config }, async (_request, reply) =>
    reply.headers(headers).send('{"status":"live"}'),
  );

  app.get('/readyz', { config }, async (_request, reply) => {
    const status = readiness();
    return reply
      .code(status === 'ready' ? 200 : 503)
      .headers(headers)
      .send(JSON.stringify({ status }));
  });
}
