import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { openAppMetrics } from './app-metrics.ts';
import { openAppUpstream } from './app-upstream.ts';
import { openCallers } from './callers/callers.ts';
import { imageMemoryBytesMaxOf } from './config/settings-from-environment.ts';
import type { SettingValues } from './config/settings.ts';
import { openDrain } from './lifecycle/gateway-drain.ts';
import { OperationReplies } from './http/operation-reply.ts';
import { buildServer, type ServerOptions } from './http/server.ts';
import { startLoadSampler } from './load/load-sampler.ts';
import type { Log } from './observability/log.ts';
import type { Metrics } from './observability/metrics.ts';
import { openTracing } from './observability/tracing.ts';
import { openCore, type Core } from './operations/core.ts';
import { promptLimits, type DrainLimits } from './lifecycle/drain.ts';
import { LoadShedding } from './load/load-shedding.ts';
import { openOperationIds } from './operations/operation-id.ts';
import type { Clock } from './clock/clock.ts';
import { systemClock, systemRandom } from './clock/system-clock.ts';
import { version } from './schemas/product-version.ts';
import type { SealSecrets } from './sealing/seal.ts';
import { sealSecretsFrom } from './state/gateway-secret.ts';
import { measuredStore } from './state/measured-store.ts';
import { openStateStore } from './state/open-store.ts';
import type { StateStore } from './state/state-store.ts';
import { silenceGrpcLogger } from './upstream/channel/silence-grpc-logger.ts';
import { reachableHost } from './text/host.ts';
import type { UpstreamClient } from './upstream/upstream-client.ts';

export interface App {
  /** The HTTP server, for tests that go in through the front door without a socket. */
  readonly server: FastifyInstance;
  /** Listens, and resolves with where: links may name PUBLIC_URL instead. */
  listen(): Promise<string>;
  /** Where /metrics is, once it listens; undefined where nothing is counted. */
  readonly metricsAddress: string | undefined;
  /**
   * Stops taking requests, lets those in flight end, and closes every part. Called
   * again, it hurries the close that has begun.
   *
   * @param limits At once and within SHUTDOWN_TIMEOUT_MS unless told.
   * @returns Whether every part was closed in time.
   */
  close(limits?: DrainLimits): Promise<boolean>;
}

export interface AppOptions extends Pick<ServerOptions, 'edge' | 'extend'> {
  /** Stands between the app and its store: the place to watch or to disturb it. */
  readonly throughStore?: ((store: StateStore) => StateStore) | undefined;
  /** The same between the app and its upstream. */
  readonly throughUpstream?: ((client: UpstreamClient) => UpstreamClient) | undefined;
  /** The machine's, unless a test moves time itself. */
  readonly drainClock?: Clock | undefined;
}

/** Builds every part once, bottom up. Nothing is heard or sent before this is called. */
export async function buildApp(
  settings: SettingValues,
  log: Log,
  options: AppOptions = {},
): Promise<App> {
  silenceGrpcLogger(log);
  const secrets = await sealSecretsFrom({
    secret: settings.GATEWAY_SECRET?.reveal(),
    secretFile: settings.GATEWAY_SECRET_FILE,
    previous: settings.GATEWAY_SECRET_PREVIOUS?.reveal(),
    previousFile: settings.GATEWAY_SECRET_PREVIOUS_FILE,
    dataDirectory: settings.DATA_DIR,
  });
  const callers = await openCallers({
    mode: settings.AUTH,
    secrets,
    nowMs: () => systemClock.nowMs(),
    keysFile: settings.API_KEYS_FILE,
    jwtIssuer: settings.JWT_ISSUER,
    jwtAudience: settings.JWT_AUDIENCE,
    jwksUrl: settings.JWKS_URL,
    defaults: {
      models: settings.CALLER_MODELS,
      imagesPerMinuteMax: settings.CALLER_IMAGES_PER_MINUTE_MAX,
      concurrentImagesMax: settings.CALLER_CONCURRENT_IMAGES_MAX,
      imagesPerDayMax: settings.CALLER_IMAGES_PER_DAY_MAX,
    },
    log,
  });
  const opened = await openStateStore({
    storeUrl: settings.STORE_URL,
    dataDirectory: settings.DATA_DIR,
    log,
  });
  const metrics = openAppMetrics(settings);
  const tracing = openTracing({ version });
  const through = options.throughStore?.(opened) ?? opened;
  const store = metrics === undefined ? through : measuredStore(through, metrics.store);
  const upstream = await openAppUpstream(settings, log, {
    observer: metrics?.upstream,
    tracer: tracing,
  });
  const client = options.throughUpstream?.(upstream.client) ?? upstream.client;
  const core = coreOf({ settings, log, secrets, store, upstream: client, metrics });
  const shedding = new LoadShedding({
    loopDelayMsMax: settings.LOOP_DELAY_MS_MAX,
    shed: metrics?.limits.shed,
  });
  const stopSampling = startLoadSampler((load) =>
    shedding.sample({ ...load, imageShare: core.memory.answerShare }),
  );

  const readiness = () => {
    if (drain.phase !== 'serving') return 'draining';
    if (!client.ready) return 'starting';
    return shedding.isSevere ? 'overloaded' : 'ready';
  };
  let origin = settings.PUBLIC_URL ?? originOf(settings.HOST, settings.PORT);
  const server = await buildServer({
    ...options,
    edge: { connectionsMax: settings.CONNECTIONS_MAX, ...options.edge },
    log,
    origin: () => origin,
    readiness,
    observer: metrics?.requests,
    tracing,
    corsOrigins: settings.CORS_ORIGINS,
    authenticator: callers.authenticator,
    tokens: callers.tokens,
    services: {
      operations: core.operations,
      creates: core.creates,
      shedding,
      replies: new OperationReplies({
        origin: () => origin,
        nowMs: () => systemClock.nowMs(),
        ...(callers.authenticator.signsLinks && { signLink: callers.signLink }),
      }),
      clock: systemClock,
      random: systemRandom,
      imageMediaTypes: settings.IMAGE_MEDIA_TYPES ?? upstream.mediaTypes,
      imageDefaults: {
        folderId: settings.FOLDER_ID ?? 'local',
        defaultModel: settings.DEFAULT_MODEL,
        modelAliases: settings.MODEL_ALIASES,
        promptCharactersMax: settings.PROMPT_CHARACTERS_MAX,
        promptCharactersMaxByModel: settings.PROMPT_CHARACTERS_MAX_BY_MODEL,
      },
    },
  });

  metrics?.follow({ core, shedding, readiness });
  let metricsAddress: string | undefined;

  const drain = openDrain({
    clock: options.drainClock ?? systemClock,
    log,
    server,
    core,
    // The port of the metrics last, so that a drain can be watched.
    parts: [
      core.upstream,
      { close: stopSampling },
      callers,
      store,
      upstream,
      { close: () => metrics?.close() },
    ],
  });

  return {
    server,
    get metricsAddress() {
      return metricsAddress;
    },
    async listen() {
      if (metrics !== undefined) {
        metricsAddress = `${originOf(settings.METRICS_HOST, await metrics.listen())}/metrics`;
      }
      core.quotaShare.open();
      // Thousands who come back at once: whom the kernel's queue has no room for waits a second and longer.
      await server.listen({ host: settings.HOST, port: settings.PORT, backlog: 4_096 });
      const { port } = server.server.address() as AddressInfo;
      const address = originOf(settings.HOST, port);
      origin = settings.PUBLIC_URL ?? address;
      return address;
    },
    close: (limits = promptLimits(settings.SHUTDOWN_TIMEOUT_MS)) => drain.begin(limits),
  };
}

function coreOf(parts: {
  readonly settings: SettingValues;
  readonly log: Log;
  readonly secrets: SealSecrets;
  readonly store: StateStore;
  readonly upstream: UpstreamClient;
  readonly metrics: Metrics | undefined;
}): Core {
  const { settings, log, secrets, store, upstream, metrics } = parts;
  return openCore({
    upstream,
    store,
    clock: systemClock,
    random: systemRandom,
    newName: randomUUID,
    ids: openOperationIds(secrets),
    imagesPerMinuteMax: imagesPerMinuteMaxOf(settings),
    imagesPerDayMax: settings.IMAGES_PER_DAY_MAX,
    readsPerSecondMax: settings.RESULT_READS_PER_SECOND_MAX,
    pollIntervalMs: settings.UPSTREAM_POLL_INTERVAL_MS,
    resultCacheBytesMax: settings.RESULT_CACHE_BYTES_MAX,
    imageMemoryBytesMax: imageMemoryBytesMaxOf(settings),
    breakerChanged: (method, state) => {
      metrics?.limits.breakerChanged(method, state);
      log.warn({ method, state }, 'breaker');
    },
    imageBytesMax: settings.IMAGE_BYTES_MAX,
    trackedMax: settings.OPERATIONS_TRACKED_MAX,
    generateTimeoutMs: settings.GENERATE_TIMEOUT_MS,
    readFailed: ({ reason, upstream: trace, cause }) => {
      metrics?.operations.readFailed({ reason });
      log.warn({ reason, upstreamCode: trace?.grpcCode, cause: messageOf(cause) }, 'poll failed');
    },
    observer: metrics && { ...metrics.operations, ...metrics.limits },
  });
}

/** The vendor takes 500 a minute; an upstream of the operator's own, as many as it likes. */
function imagesPerMinuteMaxOf(settings: SettingValues): number | undefined {
  const { UPSTREAM_ADDRESS: address, IMAGES_PER_MINUTE_MAX: max } = settings;
  const isTls = address !== undefined && !address.startsWith('http://');
  return max ?? (isTls ? 450 : undefined);
}

function originOf(host: string, port: number): string {
  return `http://${reachableHost(host)}:${port}`;
}

function messageOf(cause: unknown): string | undefined {
  return cause instanceof Error ? cause.message : undefined;
}
