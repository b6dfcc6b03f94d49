import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { startEmulator } from '../../src/emulator/emulator.ts';
import { startGateway } from '../support/gateway.ts';
import { statusOf } from '../support/responses.ts';
import { startRedisServer } from './redis-server.ts';

it('the password of the store changes in STORE_URL_FILE without a failed create', async () => {
  const server = await startRedisServer(['--requirepass', 'old']);
  const emulator = await startEmulator({ latencyMs: 20 });
  const folder = await mkdtemp(join(tmpdir(), 'store-url-'));
  const path = join(folder, 'store-url');
  await writeFile(path, `${server.url.replace('//', '//:old@')}\r\n`);
  const gateway = await startGateway({
    UPSTREAM_ADDRESS: emulator.address,
    STORE_URL_FILE: path,
    GATEWAY_SECRET: 'a-secret-that-only-this-test-uses-12345678',
  });
  const create = (key: string) =>
    statusOf(gateway.create({ prompt: 'a red cat' }, { 'idempotency-key': key }));
  expect(await create('one')).toBe(202);
  const admin = new Redis(server.url.replace('//', '//:old@'));
  await admin.call('ACL', 'SETUSER', 'default', '>new');
  await writeFile(path, server.url.replace('//', '//:new@'));
  const reloaded = () => gateway.logLines.some((line) => line.includes('file reloaded'));
  for (let count = 0; !reloaded(); count += 1) expect(await create(`during-${count}`)).toBe(202);
  await admin.call('ACL', 'SETUSER', 'default', '<old');
  await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  await expect.poll(() => create('after'), { timeout: 15_000 }).toBe(202);
  admin.disconnect();
  await gateway.close();
  await emulator.close();
  await server.stop();
  await rm(folder, { recursive: true });
}, 60_000);
