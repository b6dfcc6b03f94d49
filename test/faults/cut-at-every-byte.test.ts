import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { ImageGenerationRequestSchema } from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { startCuttingProxy, type Direction } from '../support/cutting-proxy.ts';
import { inParallel } from '../support/in-parallel.ts';
import { spendFindings, type SpendReport } from '../support/spend-audit.ts';
import { clientOf } from '../support/upstream-client.ts';

let emulator: Emulator;
const billedBySeed = new Map<bigint, number>();
beforeAll(async () => {
  emulator = await startEmulator({
    latencyMs: 60_000,
    generationsPerMinuteMax: 1_000_000,
    generationsPerDayMax: 1_000_000,
    onBilled: ({ generationOptions }) => {
      const seed = generationOptions?.seed ?? 0n;
      billedBySeed.set(seed, (billedBySeed.get(seed) ?? 0) + 1);
    },
  });
});
afterAll(() => emulator.close());

interface Outcome {
  readonly reported: SpendReport;
  readonly billedTimes: number;
  readonly passed: Readonly<Record<Direction, number>>;
}

/** One Generate over a connection that breaks at that byte. */
async function generateCutAt(direction: Direction, bytes: number): Promise<Outcome> {
  const proxy = await startCuttingProxy(emulator.port, { direction, bytes });
  const client = clientOf(proxy.address, {
    // Only Generate's connection goes through the proxy, so every counted byte is its own.
    operationsAddress: emulator.address,
    // A cut is noticed at once; these limits are for a busy machine.
    generateTimeoutMs: 20_000,
    connectTimeoutMs: 20_000,
  });
  // Finds the request in the upstream's ledger.
  const seed = BigInt(direction === 'request' ? bytes : 10_000_000 + bytes);
  const request = create(ImageGenerationRequestSchema, {
    modelUri: 'art://folder/yandex-art/latest',
    messages: [{ text: 'a red cat', weight: 1 }],
    generationOptions: { seed },
  });
  const reported = await client.generate(request).then(() => 'accepted' as const, outcomeOf);
  await client.close();
  await proxy.close();
  return { reported, billedTimes: billedBySeed.get(seed) ?? 0, passed: proxy.passed };
}

function outcomeOf(error: unknown): SpendReport {
  if (!(error instanceof GatewayError)) throw error;
  return error.outcome ?? 'unstated';
}

it.each(['request', 'response'] as const)(
  'a connection cut at every byte of the %s bills one image at most, and the error reports that truly',
  async (direction) => {
    const whole = await generateCutAt(direction, 1_000_000);
    expect(whole).toMatchObject({ reported: 'accepted', billedTimes: 1 });
    const cuts = Array.from({ length: whole.passed[direction] }, (_, bytes) => bytes);
    const counts: Record<string, number> = {};
    const findings: string[] = [];
    await inParallel(cuts, 16, async (bytes) => {
      const { reported, billedTimes } = await generateCutAt(direction, bytes);
      const name = `${reported}, billed ${billedTimes} times`;
      counts[name] = (counts[name] ?? 0) + 1;
      const found = [...spendFindings({ reports: [reported], billedTimes })];
      if (reported === 'unstated') found.push('no outcome');
      findings.push(...found.map((finding) => `at ${bytes}: ${finding}`));
    });
    process.stdout.write(
      `cut at ${cuts.length} bytes of the ${direction}: ${JSON.stringify(counts)}\n`,
    );
    expect(findings).toEqual([]);
    expect(cuts.length).toBeGreaterThan(150);
  },
  120_000,
);
