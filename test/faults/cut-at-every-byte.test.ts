import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { ImageGenerationRequestSchema } from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { startCuttingProxy, type Direction } from '../support/cutting-proxy.ts';
import { inParallel } from '../support/in-parallel.ts';
import { clientOf } from '../support/upstream-client.ts';

let emulator: Emulator;
const billsBySeed = new Map<bigint, number>();
beforeAll(async () => {
  emulator = await startEmulator({
    latencyMs: 60_000,
    generationsPerMinuteMax: 1_000_000,
    generationsPerDayMax: 1_000_000,
    onBilled: ({ generationOptions }) => {
      const seed = generationOptions?.seed ?? 0n;
      billsBySeed.set(seed, (billsBySeed.get(seed) ?? 0) + 1);
    },
  });
});
afterAll(() => emulator.close());

interface Outcome {
  /** What the gateway says became of the money. */
  readonly told: string;
  /** Times the upstream billed it. */
  readonly billed: number;
  readonly passed: Readonly<Record<Direction, number>>;
}

/** One Generate over a connection that breaks there. */
async function generateCutAt(direction: Direction, bytes: number): Promise<Outcome> {
  const proxy = await startCuttingProxy(emulator.port, { direction, bytes });
  const client = clientOf(proxy.address, {
    // Only Generate's connection goes through the proxy, so every byte counted is one of its own.
    operationsAddress: emulator.address,
    generateTimeoutMs: 1_000,
    connectTimeoutMs: 500,
  });
  // Names the request in the upstream's books.
  const seed = BigInt(direction === 'request' ? bytes : 10_000_000 + bytes);
  const request = create(ImageGenerationRequestSchema, {
    modelUri: 'art://folder/yandex-art/latest',
    messages: [{ text: 'a red cat', weight: 1 }],
    generationOptions: { seed },
  });
  const told = await client.generate(request).then(
    () => 'accepted',
    (error: unknown) =>
      error instanceof GatewayError ? String(error.outcome) : 'not a GatewayError',
  );
  await client.close();
  await proxy.close();
  return { told, billed: billsBySeed.get(seed) ?? 0, passed: proxy.passed };
}

it.each(['request', 'response'] as const)(
  'a connection cut at every byte of the %s costs one image at most, and nobody is told less',
  async (direction) => {
    const whole = await generateCutAt(direction, 1_000_000);
    expect(whole).toMatchObject({ told: 'accepted', billed: 1 });
    const cuts = Array.from({ length: whole.passed[direction] }, (_, bytes) => bytes);
    const counts: Record<string, number> = {};
    const violations: string[] = [];
    await inParallel(cuts, 16, async (bytes) => {
      const { told, billed } = await generateCutAt(direction, bytes);
      const name = `${told}, billed ${billed}`;
      counts[name] = (counts[name] ?? 0) + 1;
      const isHonest = billed === 0 ? told !== 'accepted' : told !== 'not_started';
      if (billed > 1 || !isHonest || told === 'undefined') violations.push(`at ${bytes}: ${name}`);
    });
    process.stdout.write(
      `cut at ${cuts.length} bytes of the ${direction}: ${JSON.stringify(counts)}\n`,
    );
    expect(violations).toEqual([]);
    expect(cuts.length).toBeGreaterThan(150);
  },
  120_000,
);
