import { systemClock } from './clock/system-clock.ts';
import type { SettingValues } from './config/settings.ts';
import { GatewayError } from './errors/gateway-error.ts';
import type { Log } from './observability/log.ts';
import type { SettlingService } from './operations/create/settling.ts';
import { ServiceDescription } from './operations/service-description.ts';
import { modelCatalogFrom, type ModelCatalog } from './translation/model-card.ts';
import type { ServiceClient, UpstreamClient } from './upstream/upstream-client.ts';

/** What the upstream is known to make, apart from what it says itself. */
export interface AppCatalogOptions {
  /** Absent where the upstream is not the service, which alone describes its models. */
  readonly service: ServiceClient | undefined;
  /** Whether it is part of this process, so that it responds at once. */
  readonly isEmbedded: boolean;
  readonly fallback: ModelCatalog;
}

/** The models of the upstream, as far as they are known. */
export interface AppCatalog {
  /** To be asked for each request: a service may be replaced by one with other models. */
  readonly current: ModelCatalog;
  /** Begins to ask a remote service; an embedded one was asked before. */
  begin(): void;
  /** How creates are settled; absent where the upstream is not the service. */
  readonly settling?: SettlingService;
  /** The client, which reports when it sees signs that the service was replaced. */
  watch(client: UpstreamClient): UpstreamClient;
  close(): Promise<void>;
}

/** Longest wait for a service that is part of this process. */
const embeddedMsMax = 10_000;
const loggedMax = 20;

/** Follows what the service says of its models. A remote one that does not respond keeps nothing from starting. */
export async function openAppCatalog(
  { IMAGE_MEDIA_TYPES: ownMediaTypes }: SettingValues,
  log: Log,
  { service, isEmbedded, fallback }: AppCatalogOptions,
): Promise<AppCatalog> {
  let current: ModelCatalog = { ...fallback, mediaTypes: ownMediaTypes ?? fallback.mediaTypes };
  if (service === undefined) {
    return { current, begin() {}, watch: (client) => client, close: async () => undefined };
  }
  let described: () => void = () => undefined;
  const isDescribed = new Promise<void>((resolve) => (described = resolve));
  let failure: unknown;
  const description = new ServiceDescription({
    describe: () =>
      service.describe().catch((error: unknown) => {
        failure = error;
        throw error;
      }),
    clock: systemClock,
    changed({ models }) {
      current = modelCatalogFrom(models, ownMediaTypes);
      log.debug({ models: current.names?.slice(0, loggedMax) }, 'models of the service');
      described();
    },
    failed: (error) =>
      log.warn({ cause: causeOf(error) }, 'the service does not describe its models yet'),
  });
  if (isEmbedded) {
    void description.begin();
    const cancelTimer = systemClock.after(embeddedMsMax, described);
    await isDescribed;
    cancelTimer();
  }
  return {
    get current() {
      return current;
    },
    begin() {
      if (!isEmbedded) void description.begin();
    },
    watch: (client) => watched(client, () => description.mayHaveChanged()),
    settling: {
      async storeId() {
        if (description.current === undefined) await description.begin();
        if (description.current !== undefined) return description.current.storeId;
        // It works and does not describe itself: an older one, or another service than the settings say.
        if (failure instanceof GatewayError && failure.isUpstreamFailure === false)
          return undefined;
        const detail = 'the image service can not be reached';
        throw new GatewayError('upstream_unavailable', detail, { outcome: 'not_started' });
      },
      settle: (key, options) => service.settle(key, options),
    },
    close: () => description.close(),
  };
}

/** A service that starts nothing of what it is asked for may be another one than before. */
function watched(client: UpstreamClient, mayHaveChanged: () => void): UpstreamClient {
  return {
    generate: (request, options) =>
      client.generate(request, options).catch((error: unknown) => {
        if (error instanceof GatewayError && error.outcome === 'not_started') mayHaveChanged();
        throw error;
      }),
    getOperation: (id, options) => client.getOperation(id, options),
    cancelOperation: (id, options) => client.cancelOperation(id, options),
    probe: () => client.probe(),
    get ready() {
      return client.ready;
    },
    close: (generateGraceMs) => client.close(generateGraceMs),
  };
}

function causeOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return cause instanceof Error ? cause.message : String(cause);
}
