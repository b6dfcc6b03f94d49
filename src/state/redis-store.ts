import { DurableWrites } from './durable-writes.ts';
import { RedisConnection, type RedisConnectionOptions } from './redis-connection.ts';
import {
  takeClaimsScript,
  announceScript,
  returnClaimsScript,
  swapScript,
  endAnnouncementScript,
} from './redis-scripts.ts';
import type {
  ClaimsResult,
  Claim,
  ClaimState,
  RecordState,
  RecordVersion,
  RecordWrite,
  StateStore,
  SwapResult,
} from './state-store.ts';
import { storeUnavailable } from './store-failure.ts';

/** One hash tag for all keys, so that a script's keys are on one node of a cluster. */
const prefix = '{image-generation-gateway}';
const recordKey = (key: string) => `${prefix}:record:${key}`;
const limitKey = ({ kind, key }: Claim) => `${prefix}:${kind}:${key}`;
const gatewaysKey = `${prefix}:gateways`;
/** How long the start waits for the server's facts. */
const firstFactsMs = 2_000;

/**
 * The store of several gateways: one Valkey, or Redis 7 or later.
 *
 * It opens even while the server is out of reach, because images can be fetched
 * without it, and keeps connecting. Records are refused on a server that could
 * lose them; that is checked on every connection.
 */
export async function openRedisStore(options: RedisConnectionOptions): Promise<StateStore> {
  const { log: _, ...withoutLog } = options;
  const commands = new RedisConnection(options);
  const durableCommands = new RedisConnection(withoutLog);
  const durableWrites = new DurableWrites(durableCommands);
  await Promise.all([commands, durableCommands].map((each) => each.firstFacts(firstFactsMs)));
  const swapper = (durable: boolean) => {
    const { facts } = durable ? durableCommands : commands;
    if (facts?.objection !== undefined) throw storeUnavailable(new Error(facts.objection));
    if (facts === undefined) throw storeUnavailable(new Error('there is no connection'));
    return durable
      ? (key: string, args: readonly string[]) => durableWrites.swap(key, args)
      : (key: string, args: readonly string[]) => commands.eval(swapScript, [key], args);
  };
  return {
    isShared: true,
    get durability() {
      // Each connection learns of a new replica in its own time, and this one waits for it.
      return durableCommands.facts?.durability ?? 'gateway';
    },
    async swapRecord(key, expected, next) {
      return swapResult(await swapper(next.durable)(recordKey(key), swapArgs(expected, next)));
    },
    async takeClaims(claims) {
      const reply = await commands.eval(takeClaimsScript, claims.map(limitKey), [
        JSON.stringify(claims),
      ]);
      return claimsResult(reply as number[]);
    },
    async returnClaims(claims) {
      await commands.eval(returnClaimsScript, claims.map(limitKey), [JSON.stringify(claims)]);
    },
    async announce(gatewayId, aliveForMs) {
      const reply = await commands.eval(
        announceScript,
        [gatewaysKey],
        [gatewayId, String(aliveForMs)],
      );
      return Number(reply);
    },
    async endAnnouncement(gatewayId) {
      await commands.eval(endAnnouncementScript, [gatewaysKey], [gatewayId]);
    },
    async close() {
      commands.close();
      durableCommands.close();
    },
  };
}

function swapArgs(expected: RecordVersion | undefined, next: RecordWrite): string[] {
  return [
    expected?.state ?? '',
    expected === undefined ? '' : String(expected.fence),
    next.fence,
    next.state,
    next.fingerprint,
    next.data,
    String(next.leaseMs),
    String(next.keepMs),
  ];
}

function swapResult(reply: unknown): SwapResult {
  const [swapped, state, fence, fingerprint, data, leaseLeftMs] = reply as [
    number,
    ...(string | undefined)[],
  ];
  if (state === undefined) return { swapped: swapped === 1, record: undefined };
  const record = {
    state: state as RecordState,
    fence: Number(fence),
    fingerprint: fingerprint ?? '',
    data: data ?? '',
    leaseLeftMs: Number(leaseLeftMs),
  };
  return { swapped: swapped === 1, record };
}

function claimsResult([taken, ...numbers]: readonly number[]): ClaimsResult {
  const claims: ClaimState[] = [];
  for (let index = 0; index < numbers.length; index += 2) {
    claims.push({ remaining: numbers[index] ?? 0, resetMs: numbers[index + 1] ?? 0 });
  }
  return { areTaken: taken === 1, claims };
}
