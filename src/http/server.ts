import fastify, { type FastifyInstance } from 'fastify';
import type { AccessTokens } from '../callers/access-tokens.ts';
import type { Authenticator } from '../callers/authenticator.ts';
import type { Log } from '../observability/log.ts';
import type { Tracing } from '../observability/tracing.ts';
import { edgeLimits, type EdgeLimits } from './edge/edge-limits.ts';
import { openGuardedServer, type GuardedServerOptions } from './edge/guarded-server.ts';
import { canonicalTarget } from './edge/request-target.ts';
import { errorHandler } from './error-response.ts';
import { openLogContext } from './log-context.ts';
import { acceptJsonOnly, bodyBytesMax } from './json-body.ts';
import { refuseUnknown } from './not-found.ts';
import { allowOrigins, crossOriginHeaders } from './hooks/cross-origin.ts';
import { authenticateRequests } from './hooks/authentication.ts';
import { shedNewWork } from './hooks/load-shedding.ts';
import { refuseForeignPages } from './hooks/foreign-pages.ts';
import { logRequests } from './hooks/request-log.ts';
import { observeRequests, type RequestObserver } from './hooks/request-observer.ts';
import { refuseForeignHosts } from './hooks/served-hosts.ts';
import { refuseRepeatedHeaders } from './hooks/repeated-headers.ts';
import { refuseUnsendableHeaders } from './hooks/sendable-headers.ts';
import { openRequestContexts } from './hooks/request-context.ts';
import { requestIdOf } from './request-id.ts';
import { traceRequests } from './hooks/request-trace.ts';
import { documentRoutes } from './routes/document.ts';
import { healthRoutes, type Readiness } from './routes/health.ts';
import { imagesRoutes } from './routes/images.ts';
import { openAiModelRoutes } from './routes/openai-models.ts';
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
  /** Origin of links. A function, because port 0 is known only after listening. */
  readonly origin: () => string;
  readonly readiness: () => Readiness;
  /** Patterns of the origins whose pages may call; absent: only the gateway's own. */
  readonly corsOrigins?: readonly string[] | '*' | undefined;
  /** Patterns of further host names, for a gateway without credentials. */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Limits of connections that differ from the usual ones. */
  readonly edge?: Partial<EdgeLimits> | undefined;
  readonly observer?: RequestObserver | undefined;
  readonly tracing?: Tracing | undefined;
  /** Called with the server before any route is added: the place for a test's own hooks. */
  readonly extend?: ((app: FastifyInstance) => void) | undefined;
}

/** The whole request path, outermost part first. */
export async function buildServer(options: ServerOptions): Promise<FastifyInstance> {
  const { services, authenticator, tokens, log, origin } = options;
  const handleError = errorHandler(origin);
  // Closes slow and silent connections, and refuses what is not certainly one request.
  const limits = { ...edgeLimits, ...options.edge };
  const pageHeaders = (page?: string) => crossOriginHeaders(page, options.corsOrigins);
  const guarded = { limits, log, origin, pageHeaders, observer: options.observer };
  const app = openFastify(guarded, handleError);
  const isAnonymous = authenticator.mode === 'none';
  // Whatever a hook or a route throws becomes a response here.
  app.setErrorHandler(handleError);

  // The hooks of every request, in the order in which they run.
  openRequestContexts(app);
  logRequests(app, log);
  if (options.observer !== undefined) observeRequests(app, options.observer);
  if (options.tracing !== undefined) traceRequests(app, options.tracing);
  options.extend?.(app);
  refuseRepeatedHeaders(app);
  // Where no credential is needed, any page could let its visitors' browsers spend.
  if (isAnonymous) refuseForeignHosts(app, options);
  await allowOrigins(app, options);
  if (isAnonymous) refuseForeignPages(app, options);
  shedNewWork(app, services.shedding);
  authenticateRequests(app, authenticator);
  refuseUnknown(app);
  acceptJsonOnly(app);
  refuseUnsendableHeaders(app);

  healthRoutes(app, options.readiness);
  problemsRoutes(app);
  await playgroundRoutes(app);
  await app.register(async (scope) => documentRoutes(scope));
  imagesRoutes(app, services);
  operationsRoutes(app, services);
  // The same under /v1, for callers whose base URL ends in it.
  await app.register(async (scope) => operationsRoutes(scope, services), { prefix: '/v1' });
  if (authenticator.mode !== 'passthrough') tokensRoutes(app, { tokens, clock: services.clock });
  openAiRoutes(app, services);
  openAiModelRoutes(app, services);
  await app.register((scope) => vendorRoutes(scope, services));
  return app;
}

/** Fastify on the guarded server: what it does by itself that the gateway does differently is off. */
function openFastify(
  guarded: GuardedServerOptions,
  handleError: ReturnType<typeof errorHandler>,
): FastifyInstance {
  return fastify({
    // Its logger would make a child for each request; `logRequests` writes one line at the end of each.
    logger: false,
    bodyLimit: bodyBytesMax,
    serverFactory: (serve) => openGuardedServer(serve, guarded),
    // The guarded server responds to these errors.
    clientErrorHandler: () => undefined,
    routerOptions: { maxParamLength: guarded.limits.headerBytesMax },
    genReqId: requestIdOf,
    rewriteUrl: ({ url = '/' }) => canonicalTarget(url),
    frameworkErrors: (error, request, reply) => {
      openLogContext(request);
      reply.header('x-request-id', request.id);
      void handleError(error, request, reply);
    },
  });
}
