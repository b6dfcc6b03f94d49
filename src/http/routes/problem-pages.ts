import type { FastifyInstance } from 'fastify';
import { GatewayError } from '../../errors/gateway-error.ts';
import { reasons, type Reason } from '../../errors/reason.ts';
import { problemKindOf } from '../../schemas/problem-catalog.ts';

/** /problems/{code}: the page that `type` of a problem links to, as HTML or JSON. */
export function problemsRoutes(app: FastifyInstance): void {
  app.get<{ Params: { code: string } }>(
    '/problems/:code',
    { config: { access: 'public' } },
    async (request, reply) => {
      const reason = reasons.find((candidate) => candidate === request.params.code);
      if (reason === undefined) throw new GatewayError('not_found', 'no problem has this code');
      reply.header('cache-control', 'public, max-age=3600').header('vary', 'Accept, Origin');
      if (request.headers.accept?.includes('text/html') === true) {
        return reply
          .header('content-type', 'text/html; charset=utf-8')
          .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
          .send(problemHtml(reason));
      }
      const { status, title, retryable, advice } = problemKindOf(reason);
      return reply
        .header('content-type', 'application/json; charset=utf-8')
        .send(JSON.stringify({ code: reason, title, status, retryable, advice }));
    },
  );
}

function problemHtml(reason: Reason): string {
  const { status, title, retryable, advice } = problemKindOf(reason);
  // Nothing needs escaping: every text here is the gateway's own.
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>
  :root { color-scheme: light dark; font: 1.1rem/1.6 system-ui, sans-serif; }
  main { max-width: 40rem; margin: 15vh auto; padding: 0 1.5rem; }
  code { font-size: 0.95em; } small { opacity: 0.7; }
</style>
<main>
  <small><code>${reason}</code> · HTTP ${status} · ${retryable ? 'a retry may succeed' : 'a retry does not help'}</small>
  <h1>${title}</h1>
  <p>${advice.replace(/`([^`]*)`/g, '<code>$1</code>')}</p>
</main>
</html>
`;
}
