import type { FastifyInstance } from 'fastify';
import { openLogContext } from '../log-context.ts';

/** Listeners that follow one response to its end: on an event stream more than Node's default of 10. */
const listenersMax = 20;

/** The hook that gives every request its log context, and every response the headers that all of them carry. */
export function openRequestContexts(app: FastifyInstance): void {
  // Declared before they are set, so that all requests keep one shape in memory.
  app.decorateRequest('logContext');
  app.decorateRequest('identity');
  app.decorateRequest('span');
  app.addHook('onRequest', (request, reply, done) => {
    openLogContext(request);
    reply.raw.setMaxListeners(listenersMax);
    reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff');
    done();
  });
}
