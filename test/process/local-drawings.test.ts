import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { GatewayProcess } from '../fleet/gateway-process.ts';

const warning = /neither BACKEND_URL nor UPSTREAM_ADDRESS is set: images are drawn locally/;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'local-drawings-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** The warnings of one start, about what draws the images. */
async function warningsOf(environment: Record<string, string>): Promise<readonly string[]> {
  const lines: string[] = [];
  const gateway = await GatewayProcess.start(
    'dist/main.js',
    { DATA_DIR: directory, DRAIN_DELAY_MS: '0', LOG_LEVEL: 'info', ...environment },
    (line) => lines.push(line),
  );
  await gateway.stop();
  return lines.filter((line) => line.includes('"level":40') && warning.test(line));
}

it('each start with nothing configured warns that images are local drawings', async () => {
  expect(await warningsOf({})).toHaveLength(1);
  expect(await warningsOf({})).toHaveLength(1);
}, 60_000);

it('a start whose local drawings are chosen by name does not warn', async () => {
  expect(await warningsOf({ UPSTREAM_ADDRESS: 'embedded' })).toEqual([]);
}, 60_000);
