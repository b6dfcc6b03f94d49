import type { UpstreamClient } from '../../../src/upstream/upstream-client.ts';
import { startCuttingProxy, type Direction } from '../../support/cutting-proxy.ts';
import { inParallel } from '../../support/in-parallel.ts';
import { clientOf } from '../../support/upstream-client.ts';
import { until } from '../until.ts';
import { Audience, type CreateRoute } from '../audience.ts';
import type { ImageUpstream } from '../image-upstream.ts';
import type { Scenario, Stage } from '../harness.ts';

const routes: readonly CreateRoute[] = ['native', 'openai', 'vendor'];
/** Whose credential goes upstream: nobody's, the gateway's, the caller's. */
const credentials = ['none', 'gateway', 'caller'] as const;
const key = 'canary-upstream-key-of-cuts';
/** Every byte in the long form, one in so many in the short one. */
const shortStep = 16;

/** Each makes a whole create after a cut one, so that there are never enough failures in a row to open a breaker. */
const workers = 4;

/** Gateways side by side. */
const lanesMax = 4;

type Credential = (typeof credentials)[number];

/** The connection breaks at a byte of what Generate sends or is answered: on every route, with every credential. */
export const cutConnection: Scenario = {
  name: 'cut-connection',
  fact: 'a connection cut at any byte makes one image at most, and nobody is told less',
  secondsMax: [90, 900],
  async run(stage) {
    const seen: Record<string, number> = {};
    let cuts = 0;
    let repeated = 0;
    for (const credential of credentials) {
      const upstream = await stage.upstream({ workMs: 0 });
      const clients = new Map<string, UpstreamClient>();
      const lanes = await Promise.all(
        Array.from({ length: lanesMax }, () =>
          audienceOf(stage, { upstream, credential, clients }),
        ),
      );
      const [firstLane] = lanes;
      if (firstLane === undefined) throw new RangeError('there is at least one lane');
      for (const route of routes) {
        for (const direction of ['request', 'response'] as const) {
          const place = { clients, upstream, route, direction };
          const whole = await createCutAt(firstLane, place);
          if (whole.spend !== 'accepted') throw new Error(`uncut, and told ${whole.spend}`);
          const step = stage.isLong ? 1 : shortStep;
          const bytes = Array.from(
            { length: Math.ceil(whole.passed / step) },
            (_, at) => at * step,
          );
          cuts += bytes.length;
          // One list for all lanes: who is free takes the next.
          const left = bytes.values();
          await inParallel(lanes, lanes.length, async (audience) => {
            await inParallel(left, workers, async (at) => {
              const { spend } = await createCutAt(audience, { ...place, bytes: at });
              seen[spend] = (seen[spend] ?? 0) + 1;
              await until(
                'a whole create',
                async () => (await audience.create()).spend === 'accepted',
                {
                  withinMs: 30_000,
                },
              );
            });
          });
        }
      }
      const { spent } = upstream;
      repeated += [...spent.values()].filter((count) => count > 1).length;
    }
    const figures = `${cuts.toLocaleString('en')} cuts on ${routes.length} routes × ${credentials.length} credentials, whole gateway: ${repeated} Generates repeated; told ${JSON.stringify(seen)}`;
    stage.figure({
      promise: 'P2',
      says: 'Generate is never repeated behind the caller’s back',
      goal: 'connection cut at every byte of request and answer: the upstream’s ledger shows ≤ 1',
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
  /** Absent: not at all. */
  readonly bytes?: number;
}

/** One create over a connection of its own that breaks there. */
async function createCutAt(
  audience: Audience,
  { clients, upstream, route, direction, bytes = 1_000_000 }: Cut,
) {
  const proxy = await startCuttingProxy(upstream.port, { direction, bytes });
  // Padded, so that every request is as long as the one that was measured.
  const marker = audience.newMarker().padEnd(40, '.');
  const client = clientOf(proxy.address, {
    // Only Generate's connection goes through the proxy, so every byte counted is one of its own.
    operationsAddress: upstream.address,
    tokenSource: { authorization: async () => `Api-Key ${key}` },
    // A cut is told at once; these are for a busy machine.
    generateTimeoutMs: 4_000,
    connectTimeoutMs: 4_000,
  });
  clients.set(marker, client);
  const { spend } = await audience.create({ route, marker });
  clients.delete(marker);
  await client.close();
  await proxy.close();
  return { spend, passed: proxy.passed[direction] };
}

/** A gateway in which a create may have an upstream connection of its own, found by its prompt. */
async function audienceOf(
  stage: Stage,
  parts: {
    readonly upstream: ImageUpstream;
    readonly credential: Credential;
    readonly clients: ReadonlyMap<string, UpstreamClient>;
  },
): Promise<Audience> {
  const { upstream, credential, clients } = parts;
  const isCallers = credential === 'caller';
  const gateway = await stage.gateway(
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
  return stage.audience(gateway, upstream, {
    createMsMax: 5_000,
    secrets: [key],
    ...(isCallers && { headers: { authorization: `Api-Key ${key}` } }),
  });
}
