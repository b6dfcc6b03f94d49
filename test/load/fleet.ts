import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGateway, startRole, type Child } from '../../bench/child.ts';
import { startRedisServer, type RedisServer } from '../store/redis-server.ts';
import { apiKeysFile, type ApiKeysFile, type CallerLimitsJson } from '../support/api-keys.ts';
import { neverBusy } from './report.ts';

export const fleetSize = 3;

/** Three gateways on one Redis and one upstream. */
export interface Fleet {
  readonly upstream: Child;
  readonly flow: Child;
  readonly origins: readonly string[];
  readonly keys: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** A fleet in which each caller has the given limits and its own key. */
export async function openFleet(
  callers: Readonly<Record<string, CallerLimitsJson>>,
  settings: Record<string, string>,
  latencyMs: number,
): Promise<Fleet> {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'gateway-load-'));
  const redis: RedisServer = await startRedisServer();
  const file: ApiKeysFile = await apiKeysFile(callers);
  const upstream = await startRole('bench/upstream.ts', 1, {
    IMAGE_BYTES: '2000',
    LATENCY_MIN_MS: String(latencyMs),
    LATENCY_MAX_MS: String(latencyMs),
  });
  const start = (_: unknown, index: number) =>
    startGateway({
      UPSTREAM_ADDRESS: String(upstream.ready['address']),
      STORE_URL: redis.url,
      GATEWAY_SECRET: 'a-secret-that-only-this-run-uses-1234567890',
      DATA_DIR: join(dataDirectory, String(index)),
      AUTH: 'keys',
      API_KEYS_FILE: file.path,
      ...neverBusy,
      ...settings,
    });
  const gateways = await Promise.all(Array.from({ length: fleetSize }, start));
  const flow = await startRole('test/load/flow.ts', 1);
  return {
    ...{ upstream, flow, keys: file.keys },
    origins: gateways.map(({ ready }) => String(ready['address'])),
    async stop() {
      await Promise.all([flow.stop(), ...gateways.map((gateway) => gateway.stop())]);
      await upstream.stop();
      await redis.stop();
      await file.remove();
      rmSync(dataDirectory, { recursive: true, force: true });
    },
  };
}

/** A create as it is sent. */
export function createOf(key: string): string {
  const body = JSON.stringify({ prompt: 'a red cat in a spaceship' });
  return [
    ...['POST /v1/images HTTP/1.1', 'host: load', 'content-type: application/json'],
    ...[`x-api-key: ${key}`, `content-length: ${body.length}`, '', body],
  ].join('\r\n');
}

/** Creates an image. @returns Its id. */
export async function idOf(origin: string, key: string): Promise<string> {
  const response = await fetch(`${origin}/v1/images`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': key },
    body: JSON.stringify({ prompt: 'a red cat' }),
  });
  return ((await response.json()) as { id: string }).id;
}
