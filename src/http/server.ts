import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import type { AccessTokens } from '../callers/access-tokens.ts';
import type { Authenticator } from '../callers/authenticator.ts';
import type { Log } from '../observability/log.ts';
import type { Tracing } from '../observability/tracing.ts';
import { edgeLimits, type EdgeLimits } from './edge/edge-limits.ts';
import { openGuardedServer } from './edge/guarded-server.ts';
import { openLogContext } from './log-context.ts';
import { unknownOperation } from '../operations/poll/told.ts';
import { acceptJsonOnly, bodyBytesMax } from './json-body.ts';
import { refuseUnknown } from './not-found.ts';
import { allowOrigins } from './hooks/cross-origin.ts';
import { authenticateRequests } from './hooks/authentication.ts';
import { shedNewWork } from './hooks/load-shedding.ts';
import { logRequests } from './hooks/request-log.ts';
import { observeRequests, type RequestObserver } from './hooks/request-observer.ts';
import { traceRequests } from './hooks/request-trace.ts';
import { rescue } from './rescue.ts';
import { documentRoutes } from './routes/document.ts';
import { healthRoutes, type Readiness } from './routes/health.ts';
import { imagesRoutes } from './routes/images.ts';
import { openAiRoutes } from './routes/openai.ts';
import { operationsRoutes } from './routes/operations.ts';
import { playgroundRoutes } from './routes/playground.ts';
import { problemsRoutes } from './routes/problem-pages.ts';
import { tokensRoutes } from './routes/tokens.ts';
import { vendorRoutes } from './routes/vendor.ts';
import type { RouteServices } from './route-services.ts';

export interface ServerOptions {
  readonly services: RouteServices;
  readonly authenticator: Authenticator;
  readonly tokens: AccessTokens;
  readonly log: Log;
  /** Origin of links; asked at each use, because port 0 is known only after listening. */
  readonly origin: () => string;
  readonly readiness: () => Readiness;
  /** Origins whose pages may call; absent: none but its own. */
  readonly corsOrigins?: readonly string[] | '*' | undefined;
  /** What connections may take, where it is not the usual. */
  readonly edge?: Partial<EdgeLimits> | undefined;
  readonly observer?: RequestObserver | undefined;
  readonly tracing?: Tracing | undefined;
  /** Called with the bare server before any route is added: the place for hooks on all of them. */
  readonly extend?: ((app: FastifyInstance) => void) | undefined;
}

/** Whatever follows an answer to its end listens for it; on an event stream that is more than Node's 10. */
const listenersMax = 20;

/** The whole request path, outermost first. */
export async function buildServer(options: ServerOptions): Promise<FastifyInstance> {
  const { services, authenticator, tokens, log, origin, readiness } = options;
  const toProblem = rescue(origin);
  const bounds = { ...edgeLimits, ...options.edge };
  const app = fastify({
    // One line a request is written at its end; Fastify's own logger would clone itself for each.
    logger: false,
    bodyLimit: bodyBytesMax,
    // Slow requests are cut; how long an answer may take is the route's business.
    serverFactory: (serve) => openGuardedServer(serve, { bounds, log }),
    // The guarded server has answered already.
    clientErrorHandler: () => undefined,
    routerOptions: { maxParamLength: bounds.headerBytesMax },
    genReqId: requestIdOf,
    frameworkErrors: (error, request, reply) => {
      openLogContext(request);
      reply.header('x-request-id', request.id);
      void toProblem(isOperationPath(request) ? unknownOperation() : error, request, reply);
    },
  });
  // Named before they are set, so that all requests keep one shape in memory.
  app.decorateRequest('logContext');
  app.decorateRequest('identity');
  app.decorateRequest('span');

  logRequests(app, log);
  if (options.observer !== undefined) observeRequests(app, options.observer);
  if (options.tracing !== undefined) traceRequests(app, options.tracing);
  options.extend?.(app);
  app.addHook('onRequest', (request, reply, done) => {
    openLogContext(request);
    reply.raw.setMaxListeners(listenersMax);
    reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff');
    done();
  });
  await allowOrigins(app, options.corsOrigins);
  shedNewWork(app, services.shedding);
  authenticateRequests(app, authenticator);
  app.setErrorHandler(toProblem);
  refuseUnknown(app);
  acceptJsonOnly(app);

  healthRoutes(app, readiness);
  problemsRoutes(app);
  await playgroundRoutes(app);
  await app.register(async (scope) => documentRoutes(scope));
  imagesRoutes(app, services);
  if (authenticator.mode !== 'passthrough') tokensRoutes(app, { tokens, clock: services.clock });
  operationsRoutes(app, services);
  await app.register((scope) => vendorRoutes(scope, services));
  openAiRoutes(app, services);
  // The same under /v1, for callers whose base URL ends in it.
  await app.register(async (scope) => operationsRoutes(scope, services), { prefix: '/v1' });
  return app;
}

/** An id that is no valid URL text is, like any other that is not ours, the id of no operation. */
function isOperationPath(request: FastifyRequest): boolean {
  return /^(?:\/v1)?\/operations\//.test(request.raw.url ?? '');
}

const requestIdPattern = /^[A-Za-z0-9._-]{1,128}$/;

/** The caller's own id where it is fit for a log line, else a new one. */
function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && requestIdPattern.test(given) ? given : randomUUID();
}
