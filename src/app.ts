import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { openCallers } from './callers/open-callers.ts';
import { pictureBytesMaxOf } from './config/configuration.ts';
import type { SettingValues } from './config/settings.ts';
import { startEmbeddedEmulator } from './emulator/embedded-emulator.ts';
import { OperationReplies } from './http/operation-reply.ts';
import type { Readiness } from './http/routes/health.ts';
import { buildServer, type ServerOptions } from './http/server.ts';
import { startLoadSampler } from './observability/load-sampler.ts';
import type { Log } from './observability/log.ts';
import { openCore, type Core } from './operations/core.ts';
import { LoadShedding } from './operations/load-shedding.ts';
import { openOperationIds } from './operations/operation-id.ts';
import { systemClock, systemRandom } from './operations/system-ports.ts';
import type { SealSecrets } from './sealing/seal.ts';
import { sealSecretsFrom } from './state/gateway-secret.ts';
import { openStateStore } from './state/open-store.ts';
import type { StateStore } from './state/state-store.ts';
import { silenceGrpcLogger } from './upstream/silence-grpc-logger.ts';
import { tokenSourceFromSettings } from './upstream/token-source.ts';
import { openUpstreamClient, type UpstreamClient } from './upstream/upstream-client.ts';

export interface App {
  /** The HTTP server, for tests that go in through the front door without a socket. */
  readonly server: FastifyInstance;
  /** Listens, and resolves with where: links may name PUBLIC_URL instead. */
  listen(): Promise<string>;
  /** Stops taking requests, lets those in flight end within the limit, and closes every part. */
  close(): Promise<void>;
}

export interface AppOptions extends Pick<ServerOptions, 'extend'> {
  /** Stands between the app and its store: the place to watch or to disturb it. */
  readonly throughStore?: ((store: StateStore) => StateStore) | undefined;
  /** The same between the app and its upstream. */
  readonly throughUpstream?: ((client: UpstreamClient) => UpstreamClient) | undefined;
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
  const store = options.throughStore?.(opened) ?? opened;
  const upstream = await openUpstream(settings, log);
  const client = options.throughUpstream?.(upstream.client) ?? upstream.client;
  const core = coreOf({ settings, log, secrets, store, upstream: client });
  const shedding = new LoadShedding({ loopDelayMsMax: settings.LOOP_DELAY_MS_MAX });
  const stopSampling = startLoadSampler((load) =>
    shedding.sample({ ...load, pictureShare: core.memory.shareInUse }),
  );

  let state: Exclude<Readiness, 'ready'> | undefined;
  let origin = settings.PUBLIC_URL ?? originOf(settings.HOST, settings.PORT);
  const server = await buildServer({
    ...options,
    log,
    origin: () => origin,
    readiness: () => {
      if (state !== undefined) return state;
      if (!client.ready) return 'starting';
      return shedding.isSevere ? 'overloaded' : 'ready';
    },
    corsOrigins: settings.CORS_ORIGINS,
    authenticator: callers.authenticator,
    tokens: callers.tokens,
    surface: {
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

  return {
    server,
    async listen() {
      core.share.open();
      await server.listen({ host: settings.HOST, port: settings.PORT });
      const { port } = server.server.address() as AddressInfo;
      const address = originOf(settings.HOST, port);
      origin = settings.PUBLIC_URL ?? address;
      return address;
    },
    async close() {
      state = 'draining';
      core.operations.close();
      await core.share.close();
      // A keep-alive connection that waits for its next request would hold the close up for good.
      const sweep = setInterval(() => server.server.closeIdleConnections(), 100);
      const force = setTimeout(
        () => server.server.closeAllConnections(),
        settings.SHUTDOWN_TIMEOUT_MS,
      );
      await server.close();
      clearInterval(sweep);
      clearTimeout(force);
      stopSampling();
      // What was sent may be paid for: its answer is worth waiting for.
      await core.upstream.close(settings.GENERATE_TIMEOUT_MS);
      await upstream.close();
      callers.close();
      await store.close();
    },
  };
}

function coreOf(parts: {
  readonly settings: SettingValues;
  readonly log: Log;
  readonly secrets: SealSecrets;
  readonly store: StateStore;
  readonly upstream: UpstreamClient;
}): Core {
  const { settings, log, secrets, store, upstream } = parts;
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
    pictureBytesMax: pictureBytesMaxOf(settings),
    breakerChanged: (method, state) => log.warn({ method, state }, 'breaker'),
    imageBytesMax: settings.IMAGE_BYTES_MAX,
    trackedMax: settings.OPERATIONS_TRACKED_MAX,
    readFailed: ({ reason, upstream: trace, cause }) =>
      log.warn({ reason, upstreamCode: trace?.grpcCode, cause: messageOf(cause) }, 'poll failed'),
  });
}

/** The vendor takes 500 a minute; an upstream of the operator's own, as many as it likes. */
function imagesPerMinuteMaxOf(settings: SettingValues): number | undefined {
  const { UPSTREAM_ADDRESS: address, IMAGES_PER_MINUTE_MAX: max } = settings;
  const isTls = address !== undefined && !address.startsWith('http://');
  return max ?? (isTls ? 450 : undefined);
}

interface OpenedUpstream {
  readonly client: UpstreamClient;
  /** What it makes, the preferred one first. */
  readonly mediaTypes: readonly string[];
  /** Ends the embedded upstream, where there is one. */
  close(): Promise<void>;
}

async function openUpstream(settings: SettingValues, log: Log): Promise<OpenedUpstream> {
  const isEmbedded = settings.UPSTREAM_ADDRESS === undefined;
  const emulator = isEmbedded
    ? await startEmbeddedEmulator({
        port: settings.EMULATOR_PORT,
        latencyMs: settings.EMULATOR_LATENCY_MS,
        promptCharactersMax: settings.PROMPT_CHARACTERS_MAX,
        onFailure: (error) =>
          log.error({ cause: error.message }, 'the embedded upstream has ended'),
      })
    : undefined;
  const address = settings.UPSTREAM_ADDRESS ?? emulator?.address ?? '';
  const caFile = settings.UPSTREAM_CA_FILE;
  const caPem = caFile === undefined ? undefined : await readFile(caFile);
  const client = openUpstreamClient({
    address,
    operationsAddress: settings.OPERATIONS_ADDRESS ?? address,
    ...(caPem !== undefined && { caPem }),
    tokenSource: await tokenSourceFromSettings(
      {
        apiKey: settings.UPSTREAM_API_KEY?.reveal(),
        apiKeyFile: settings.UPSTREAM_API_KEY_FILE,
        iamToken: settings.UPSTREAM_IAM_TOKEN?.reveal(),
        iamTokenFile: settings.UPSTREAM_IAM_TOKEN_FILE,
        serviceAccountKeyFile: settings.UPSTREAM_SERVICE_ACCOUNT_KEY_FILE,
        metadataService: settings.UPSTREAM_METADATA_SERVICE,
        iamAddress: settings.IAM_ADDRESS,
        caPem,
      },
      { log },
    ),
    generateTimeoutMs: settings.GENERATE_TIMEOUT_MS,
    getTimeoutMs: settings.GET_TIMEOUT_MS,
    connectTimeoutMs: settings.CONNECT_TIMEOUT_MS,
    imageBytesMax: settings.IMAGE_BYTES_MAX,
    dataLogging: settings.UPSTREAM_DATA_LOGGING,
    ...(settings.UPSTREAM_FOLDER_HEADER && { folderId: settings.FOLDER_ID }),
    log,
  });
  return {
    client,
    mediaTypes: isEmbedded ? ['image/jpeg', 'image/png', 'image/webp'] : ['image/jpeg'],
    async close() {
      await emulator?.close();
    },
  };
}

/** An address to listen on is not always one to connect to: all addresses are reached by loopback. */
function originOf(host: string, port: number): string {
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}

function messageOf(cause: unknown): string | undefined {
  return cause instanceof Error ? cause.message : undefined;
}
