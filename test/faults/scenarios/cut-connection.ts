import type { UpstreamClient } from '../../../src/upstream/upstream-client.ts';
import { startCuttingProxy, type Direction } from '../../support/cutting-proxy.ts';
import { inParallel } from '../../support/in-parallel.ts';
import { clientOf } from '../../support/upstream-client.ts';
import { until } from '../until.ts';
import { ObservedCallers, type CreateRoute } from '../observed-callers.ts';
import type { ImageUpstream } from '../image-upstream.ts';
import type { Scenario, Harness } from '../harness.ts';

const routes: readonly CreateRoute[] = ['native', 'openai', 'vendor'];
/** The credential that goes upstream: none, the gateway's, the caller's. */
const credentials = ['none', 'gateway', 'caller'] as const;
const key = 'canary-upstream-key-of-cuts';
/** The long form cuts at every byte, the short form at one in so many. */
const shortStep = 16;

/** Each makes an uncut create after a cut one, so that there are never enough failures in a row to open a circuit. */
const workers = 4;

/** Gateways at the same time. */
const lanesMax = 4;

type Credential = (typeof credentials)[number];

/** The connection breaks at each byte of a Generate's request or response, on every route, with every credential. */
export const cutConnection: Scenario = {
  name: 'cut-connection',
  fact: 'a connection cut at any byte bills one image at most, and the response reports that truly',
  secondsMax: [90, 900],
  async run(harness) {
    const seen: Record<string, number> = {};
    let cuts = 0;
    let repeated = 0;
    for (const credential of credentials) {
      const upstream = await harness.upstream({ workMs: 0 });
      const clients = new Map<string, UpstreamClient>();
      const lanes = await Promise.all(
        Array.from({ length: lanesMax }, () =>
          callersOf(harness, { upstream, credential, clients }),
        ),
      );
      const [firstLane] = lanes;
      if (firstLane === undefined) throw new RangeError('there is at least one lane');
      for (const route of routes) {
        for (const direction of ['request', 'response'] as const) {
          const place = { clients, upstream, route, direction };
          const whole = await createCutAt(firstLane, place);
          if (whole.reported !== 'accepted')
            throw new Error(`an uncut create reported ${whole.reported}`);
          const step = harness.isLong ? 1 : shortStep;
          const bytes = Array.from(
            { length: Math.ceil(whole.passed / step) },
            (_, at) => at * step,
          );
          cuts += bytes.length;
          // One list for all lanes: a free worker takes the next cut.
          const left = bytes.values();
          await inParallel(lanes, lanes.length, async (callers) => {
            await inParallel(left, workers, async (at) => {
              const { reported } = await createCutAt(callers, { ...place, bytes: at });
              seen[reported] = (seen[reported] ?? 0) + 1;
              await until(
                'a whole create',
                async () => (await callers.create()).reported === 'accepted',
                {
                  withinMs: 30_000,
                },
              );
            });
          });
        }
      }
      const { billedTimes: spent } = upstream;
      repeated += [...spent.values()].filter((count) => count > 1).length;
    }
    const figures = `${cuts.toLocaleString('en')} cuts on ${routes.length} routes × ${credentials.length} credentials, whole gateway: ${repeated} Generates repeated; reported ${JSON.stringify(seen)}`;
    harness.figure({
      promise: 'P2',
      says: 'Generate is never repeated',
      goal: 'connection cut at every byte of request and response: the upstream’s ledger shows ≤ 1',
      seen: figures,
      isMet: repeated === 0,
      by: 'npm run test:faults -- --long',
    });
    return figures;
  },
};

interface Cut {
  readonly clients: Map<string, UpstreamClient>;
  readonly upstream: ImageUpstream;
  readonly route: CreateRoute;
  readonly direction: Direction;
  /** Absent: no cut. */
  readonly bytes?: number;
}

/** One create over its own connection, which breaks at that byte. */
async function createCutAt(
  callers: ObservedCallers,
  { clients, upstream, route, direction, bytes = 1_000_000 }: Cut,
) {
  const proxy = await startCuttingProxy(upstream.port, { direction, bytes });
  // Padded, so that every request is as long as the measured one.
  const marker = callers.newMarker().padEnd(40, '.');
  const client = clientOf(proxy.address, {
    // Only Generate's connection goes through the proxy, so every counted byte is its own.
    operationsAddress: upstream.address,
    tokenSource: { authorization: async () => `Api-Key ${key}` },
    // A cut is noticed at once; these limits are for a busy machine.
    generateTimeoutMs: 4_000,
    connectTimeoutMs: 4_000,
  });
  clients.set(marker, client);
  const { reported } = await callers.create({ route, marker });
  clients.delete(marker);
  await client.close();
  await proxy.close();
  return { reported, passed: proxy.passed[direction] };
}

/** Callers of a gateway in which a create can have its own upstream connection, found by its prompt. */
async function callersOf(
  harness: Harness,
  parts: {
    readonly upstream: ImageUpstream;
    readonly credential: Credential;
    readonly clients: ReadonlyMap<string, UpstreamClient>;
  },
): Promise<ObservedCallers> {
  const { upstream, credential, clients } = parts;
  const isCallers = credential === 'caller';
  const gateway = await harness.gateway(
    {
      UPSTREAM_ADDRESS: upstream.address,
      UPSTREAM_POLL_INTERVAL_MS: '20',
      RESULT_READS_PER_SECOND_MAX: '10000',
      ...(isCallers && { AUTH: 'passthrough' }),
    },
    {
      throughUpstream: (direct) => ({
        ...direct,
        get ready() {
          return direct.ready;
        },
        generate: (request, options) => {
          const client = clients.get(request.messages[0]?.text ?? '') ?? direct;
          return client.generate(request, options);
        },
      }),
    },
  );
  return harness.callers(gateway, upstream, {
    createMsMax: 5_000,
    secrets: [key],
    ...(isCallers && { headers: { authorization: `Api-Key ${key}` } }),
  });
}
