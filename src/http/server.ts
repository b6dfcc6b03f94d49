import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import type { AccessTokens } from '../callers/access-tokens.ts';
import type { Authenticator } from '../callers/authenticator.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Log } from '../observability/log.ts';
import { answerBrokenRequests } from './broken-request.ts';
import { openJournal } from './journal.ts';
import { unknownOperation } from '../operations/told.ts';
import { acceptJsonOnly, bodyBytesMax } from './json-body.ts';
import { refuseUnknown } from './not-found.ts';
import { allowOrigins } from './plugins/cross-origin.ts';
import { authenticateRequests } from './plugins/authentication.ts';
import { shedNewWork } from './plugins/load-shedding.ts';
import { logRequests } from './plugins/request-log.ts';
import { rescue } from './rescue.ts';
import { documentRoutes } from './routes/document.ts';
import { healthRoutes, type Readiness } from './routes/health.ts';
import { imagesRoutes } from './routes/images.ts';
import { openAiRoutes } from './routes/openai.ts';
import { operationsRoutes } from './routes/operations.ts';
import { playgroundRoutes } from './routes/playground.ts';
import { problemsRoutes } from './routes/problems.ts';
import { tokensRoutes } from './routes/tokens.ts';
import { vendorRoutes } from './routes/vendor.ts';
import type { Surface } from './surface.ts';

export interface ServerOptions {
  readonly surface: Surface;
  readonly authenticator: Authenticator;
  readonly tokens: AccessTokens;
  readonly log: Log;
  /** Origin of links; asked at each use, because port 0 is known only after listening. */
  readonly origin: () => string;
  readonly readiness: () => Readiness;
  /** Origins whose pages may call; absent: none but its own. */
  readonly corsOrigins?: readonly string[] | '*' | undefined;
  /** Called with the bare server before any route is added: the place for hooks on all of them. */
  readonly extend?: ((app: FastifyInstance) => void) | undefined;
}

const headerBytesMax = 8_192;
const headerLinesMax = 100;

/** The whole request path, outermost first. */
export async function buildServer(options: ServerOptions): Promise<FastifyInstance> {
  const { surface, authenticator, tokens, log, origin, readiness } = options;
  const toProblem = rescue(origin);
  const app = fastify({
    // One line a request is written at its end; Fastify's own logger would clone itself for each.
    logger: false,
    bodyLimit: bodyBytesMax,
    http: { maxHeaderSize: headerBytesMax, connectionsCheckingInterval: 1_000 },
    // Slow requests are cut; how long an answer may take is the route's business.
    requestTimeout: 10_000,
    keepAliveTimeout: 72_000,
    routerOptions: { maxParamLength: headerBytesMax },
    genReqId: requestIdOf,
    clientErrorHandler: answerBrokenRequests(log),
    frameworkErrors: (error, request, reply) => {
      openJournal(request);
      reply.header('x-request-id', request.id);
      void toProblem(isOperationPath(request) ? unknownOperation() : error, request, reply);
    },
  });
  app.server.headersTimeout = 5_000;
  // Named before they are set, so that all requests keep one shape in memory.
  app.decorateRequest('journal');
  app.decorateRequest('identity');

  logRequests(app, log);
  options.extend?.(app);
  app.addHook('onRequest', (request, reply, done) => {
    openJournal(request);
    reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff');
    // Node drops header lines silently when there are very many; one of them may matter.
    const isFlood = request.raw.rawHeaders.length > 2 * headerLinesMax;
    done(
      isFlood ? new GatewayError('headers_too_large', 'send at most 100 header lines') : undefined,
    );
  });
  await allowOrigins(app, options.corsOrigins);
  shedNewWork(app, surface.shedding);
  authenticateRequests(app, authenticator);
  app.setErrorHandler(toProblem);
  refuseUnknown(app);
  acceptJsonOnly(app);

  healthRoutes(app, readiness);
  problemsRoutes(app);
  await playgroundRoutes(app);
  await app.register(async (scope) => documentRoutes(scope));
  imagesRoutes(app, surface);
  if (authenticator.mode !== 'passthrough') tokensRoutes(app, { tokens, clock: surface.clock });
  operationsRoutes(app, surface);
  await app.register((scope) => vendorRoutes(scope, surface));
  openAiRoutes(app, surface);
  // The same under /v1, for callers whose base URL ends in it.
  await app.register(async (scope) => operationsRoutes(scope, surface), { prefix: '/v1' });
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
