import type { FastifyInstance } from 'fastify';
import { openAppCallers } from './app-callers.ts';
import { openAppCatalog } from './app-catalog.ts';
import { openAppCore } from './app-core.ts';
import { openAppMetrics, type AppMetrics } from './app-metrics.ts';
import { openAppPassthrough } from './app-passthrough.ts';
import { openAppServer } from './app-server.ts';
import { openAppStore } from './app-store.ts';
import { openAppUpstream } from './app-upstream.ts';
import type { Clock } from './clock/clock.ts';
import { systemClock } from './clock/system-clock.ts';
import { isUpstreamEmbedded } from './config/setting-rules.ts';
import type { SettingValues } from './config/settings.ts';
import type { ServerOptions } from './http/server.ts';
import { promptLimits, type DrainLimits, type DrainPhase } from './lifecycle/drain.ts';
import { openDrain, type Closable } from './lifecycle/gateway-drain.ts';
import { LoadShedding } from './load/load-shedding.ts';
import { openLoadSampler } from './load/load-sampler.ts';
import type { Log } from './observability/log.ts';
import { openTracing } from './observability/tracing.ts';
import { version } from './schemas/product-version.ts';
import type { StateStore } from './state/state-store.ts';
import { silenceGrpcLogger } from './upstream/channel/silence-grpc-logger.ts';
import type { UpstreamClient } from './upstream/upstream-client.ts';

/** One gateway: everything between its HTTP server and its upstream. */
export interface App {
  /** The HTTP server, for tests that send requests without a socket. */
  readonly server: FastifyInstance;
  /** Listens, and resolves with where: links may name PUBLIC_URL instead. */
  listen(): Promise<string>;
  /** Where /metrics is, once it listens; undefined where METRICS_PORT is not set. */
  readonly metricsAddress: string | undefined;
  /** How far its close has come. */
  readonly drainPhase: DrainPhase;
  /**
   * Stops taking requests, lets those in flight end, and closes every part. Called
   * again, it hurries the close that has begun.
   *
   * @param limits Without them, at once and within SHUTDOWN_TIMEOUT_MS.
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
  /** How many lines the log has lost. Without it: none. */
  readonly logLinesLost?: (() => number) | undefined;
}

/** Opens every part once, bottom up. No part listens or sends before this is called. */
export async function buildApp(
  settings: SettingValues,
  log: Log,
  options: AppOptions = {},
): Promise<App> {
  const { throughStore, throughUpstream, drainClock = systemClock, ...more } = options;
  const { logLinesLost = () => 0, ...serverOptions } = more;
  silenceGrpcLogger(log);
  const metrics = openAppMetrics(settings);
  const tracing = openTracing({ version });
  const observers = { observer: metrics?.upstream, tracer: tracing };
  const [outliving, { upstream, passthrough, catalog, client }] = await bothOrNone(
    openAppStore(settings, { log, metrics, throughStore }),
    openUpstream(settings, log, { observers, throughUpstream }),
  );
  const { store, secrets } = outliving;
  const callers = await openAppCallers(settings, {
    ...{ secrets, log },
    passthrough: passthrough?.credentials,
  });
  const service = catalog.settling;
  const core = openAppCore(settings, { log, secrets, store, upstream: client, service, metrics });
  const { shedding, sampler } = openShedding(settings, () => core.memory.responseShare, metrics);
  const readiness = () => {
    if (drain.phase !== 'serving') return 'draining';
    if (!client.ready) return 'starting';
    return shedding.isSevere ? 'overloaded' : 'ready';
  };
  const http = await openAppServer(settings, {
    ...serverOptions,
    ...{ log, tracing, callers, core, shedding, readiness },
    observer: metrics?.requests,
    models: () => catalog.current,
  });
  metrics?.follow({ core, shedding, readiness, logLinesLost, serviceText: upstream.metrics });
  // The metrics port closes last, so that a drain can be watched.
  const metricsPort = { close: () => metrics?.close() };
  const drain = openDrain({
    clock: drainClock,
    ...{ log, core, server: http.server, begun: upstream.drain },
    parts: [core.upstream, catalog, sampler, callers, outliving, upstream, metricsPort],
  });
  return {
    server: http.server,
    get metricsAddress() {
      return metrics?.address;
    },
    get drainPhase() {
      return drain.phase;
    },
    async listen() {
      await metrics?.listen();
      core.quotaShare.open();
      sampler.start();
      // In the next turn: the first line of the log says where the gateway listens.
      return http.listen().finally(() =>
        setImmediate(() => {
          upstream.showLog();
          catalog.begin();
        }),
      );
    },
    close: (limits = promptLimits(settings.SHUTDOWN_TIMEOUT_MS)) => drain.begin(limits),
  };
}

/** The upstream, what is known of it, and the client as the core uses it. */
async function openUpstream(
  settings: SettingValues,
  log: Log,
  {
    observers,
    throughUpstream,
  }: Pick<AppOptions, 'throughUpstream'> & {
    readonly observers: Parameters<typeof openAppUpstream>[2];
  },
) {
  const upstream = await openAppUpstream(settings, log, observers);
  const passthrough =
    settings.AUTH === 'passthrough' ? openAppPassthrough(upstream.client) : undefined;
  const watched = passthrough?.upstream ?? upstream.client;
  const catalog = await openAppCatalog(settings, log, {
    service: upstream.service,
    isEmbedded: isUpstreamEmbedded(settings),
    fallback: upstream.models,
  });
  const client = catalog.watch(throughUpstream?.(watched) ?? watched);
  return { upstream, passthrough, catalog, client, close: () => upstream.close() };
}

/** What is refused when the process is full, and the measurements that decide it. */
function openShedding(
  { LOOP_DELAY_MS_MAX: loopDelayMsMax }: SettingValues,
  imageShare: () => number,
  metrics: AppMetrics | undefined,
) {
  const shedding = new LoadShedding({ loopDelayMsMax, shed: metrics?.limits.shed });
  const sampler = openLoadSampler((load) => shedding.sample({ ...load, imageShare: imageShare() }));
  return { shedding, sampler };
}

/** Two parts that are opened side by side. Where one fails, the other is closed. */
async function bothOrNone<First extends Closable, Second extends Closable>(
  first: Promise<First>,
  second: Promise<Second>,
): Promise<[First, Second]> {
  const results = await Promise.allSettled([first, second]);
  const [a, b] = results;
  if (a.status === 'fulfilled' && b.status === 'fulfilled') return [a.value, b.value];
  for (const result of results) {
    if (result.status === 'fulfilled') await result.value.close();
  }
  throw a.status === 'rejected' ? a.reason : (b as PromiseRejectedResult).reason;
}
