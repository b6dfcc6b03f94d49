import { DurableWrites } from './durable-writes.ts';
import { RedisConnection, type RedisConnectionOptions } from './redis-connection.ts';
import {
  takeClaimsScript,
  announceScript,
  returnClaimsScript,
  swapScript,
  withdrawAnnouncementScript,
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

/** One hash tag for all, so that a script's keys lie together. */
const prefix = '{image-generation-gateway}';
const recordKey = (key: string) => `${prefix}:record:${key}`;
const limitKey = ({ kind, key }: Claim) => `${prefix}:${kind}:${key}`;
const gatewaysKey = `${prefix}:gateways`;
/** How long the start waits to learn what the server is. */
const firstLookMs = 2_000;

/**
 * The store of several gateways: one Valkey, or Redis 7 or later.
 *
 * Opens also while the server is out of reach: images can be fetched without
 * it, and it is tried again for good. Records are refused on a server that
 * could forget them, which is looked at with every connection.
 */
export async function openRedisStore(options: RedisConnectionOptions): Promise<StateStore> {
  const { log: _, ...withoutLog } = options;
  const commands = new RedisConnection(options);
  const forDurable = new RedisConnection(withoutLog);
  const durableWrites = new DurableWrites(forDurable);
  await commands.firstLook(firstLookMs);
  const swapper = (durable: boolean) => {
    const { facts } = durable ? forDurable : commands;
    if (facts?.objection !== undefined) throw storeUnavailable(new Error(facts.objection));
    if (facts === undefined) throw storeUnavailable(new Error('there is no connection'));
    return durable
      ? (key: string, args: readonly string[]) => durableWrites.swap(key, args)
      : (key: string, args: readonly string[]) => commands.eval(swapScript, [key], args);
  };
  return {
    isShared: true,
    get durability() {
      return commands.facts?.durability ?? 'gateway';
    },
    async swapRecord(key, expected, next) {
      return swapResult(await swapper(next.durable)(recordKey(key), swapArgs(expected, next)));
    },
    async takeClaims(claims) {
      const reply = await commands.eval(takeClaimsScript, claims.map(limitKey), [
        JSON.stringify(claims),
      ]);
      return admissionOf(reply as number[]);
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
    async withdrawAnnouncement(gatewayId) {
      await commands.eval(withdrawAnnouncementScript, [gatewaysKey], [gatewayId]);
    },
    async close() {
      commands.close();
      forDurable.close();
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

function admissionOf([admitted, ...numbers]: readonly number[]): ClaimsResult {
  const claims: ClaimState[] = [];
  for (let index = 0; index < numbers.length; index += 2) {
    claims.push({ remaining: numbers[index] ?? 0, resetMs: numbers[index + 1] ?? 0 });
  }
  return { areTaken: admitted === 1, claims };
}
