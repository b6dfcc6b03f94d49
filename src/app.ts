import type { FastifyInstance } from 'fastify';
import { openAppCallers } from './app-callers.ts';
import { openAppCore } from './app-core.ts';
import { openAppMetrics } from './app-metrics.ts';
import { openAppPassthrough } from './app-passthrough.ts';
import { openAppServer } from './app-server.ts';
import { openAppStore } from './app-store.ts';
import { openAppUpstream } from './app-upstream.ts';
import type { Clock } from './clock/clock.ts';
import { systemClock } from './clock/system-clock.ts';
import type { SettingValues } from './config/settings.ts';
import type { ServerOptions } from './http/server.ts';
import { promptLimits, type DrainLimits, type DrainPhase } from './lifecycle/drain.ts';
import { openDrain } from './lifecycle/gateway-drain.ts';
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
  const outliving = await openAppStore(settings, { log, metrics, throughStore });
  const { store, secrets } = outliving;
  const observers = { observer: metrics?.upstream, tracer: tracing };
  const upstream = await openAppUpstream(settings, log, observers);
  const passthrough =
    settings.AUTH === 'passthrough' ? openAppPassthrough(upstream.client) : undefined;
  const watched = passthrough?.upstream ?? upstream.client;
  const client = throughUpstream?.(watched) ?? watched;
  const callers = await openAppCallers(settings, {
    ...{ secrets, log },
    passthrough: passthrough?.credentials,
  });
  const core = openAppCore(settings, { log, secrets, store, upstream: client, metrics });
  const shedding = new LoadShedding({
    loopDelayMsMax: settings.LOOP_DELAY_MS_MAX,
    shed: metrics?.limits.shed,
  });
  const sampler = openLoadSampler((load) =>
    shedding.sample({ ...load, imageShare: core.memory.responseShare }),
  );
  const readiness = () => {
    if (drain.phase !== 'serving') return 'draining';
    if (!client.ready) return 'starting';
    return shedding.isSevere ? 'overloaded' : 'ready';
  };
  const http = await openAppServer(settings, {
    ...serverOptions,
    ...{ log, tracing, callers, core, shedding, readiness },
    observer: metrics?.requests,
    imageMediaTypes: upstream.mediaTypes,
    modelCatalog: upstream.models,
  });
  metrics?.follow({ core, shedding, readiness, logLinesLost, serviceText: upstream.metrics });
  // The metrics port closes last, so that a drain can be watched.
  const metricsPort = { close: () => metrics?.close() };
  const drain = openDrain({
    clock: drainClock,
    ...{ log, core, server: http.server, stoppedTaking: upstream.drain },
    parts: [core.upstream, sampler, callers, outliving, upstream, metricsPort],
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
      return http.listen().finally(() => setImmediate(upstream.showLog));
    },
    close: (limits = promptLimits(settings.SHUTDOWN_TIMEOUT_MS)) => drain.begin(limits),
  };
}
