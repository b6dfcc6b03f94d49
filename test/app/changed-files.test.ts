import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startEmulator } from '../../src/emulator/emulator.ts';
import { makeCertificate } from '../support/certificate.ts';
import { startGateway } from '../support/gateway.ts';
import { jsonOf, statusOf } from '../support/responses.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'changed-files-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const anyTime = { timeout: 20_000, interval: 100 };

it('a changed UPSTREAM_CA_FILE is used for new connections, and a wrong one is not', async () => {
  const { caPem, certPem, keyPem } = makeCertificate();
  const emulator = await startEmulator({
    latencyMs: 20,
    tls: { certPem, keyPem },
  });
  const path = join(folder, 'ca.pem');
  await writeFile(path, makeCertificate().caPem);
  const gateway = await startGateway({
    UPSTREAM_ADDRESS: `localhost:${emulator.port}`,
    UPSTREAM_CA_FILE: path,
    UPSTREAM_API_KEY: 'key',
    FOLDER_ID: 'folder',
  });
  const create = () => statusOf(gateway.create({ prompt: 'a red cat' }));
  expect(await create()).toBe(503);
  await writeFile(path, caPem);
  await expect.poll(create, anyTime).toBe(202);
  await writeFile(path, 'no certificate');
  await expect.poll(() => gateway.logLines.join(), anyTime).toContain('must hold a certificate');
  expect(await create()).toBe(202);
  await gateway.close();
  await emulator.close();
}, 60_000);

it('the secret of a gateway changes in its files: ids and tokens stay valid, and end with the previous secret', async () => {
  const [current, previous] = [join(folder, 'secret'), join(folder, 'secret.previous')];
  const [oldSecret, newSecret] = ['old-'.padEnd(40, 'x'), 'new-'.padEnd(40, 'y')];
  await writeFile(current, oldSecret);
  await writeFile(previous, newSecret);
  const gateway = await startGateway({
    DRAWING_DELAY_MS: '20',
    GATEWAY_SECRET_FILE: current,
    GATEWAY_SECRET_PREVIOUS_FILE: previous,
  });
  const made = async () => String((await jsonOf(gateway.create({ prompt: 'a red cat' })))['id']);
  const lent = async () => {
    const body = JSON.stringify({ scopes: ['operations:read'] });
    const headers = { 'content-type': 'application/json' };
    return jsonOf(gateway.fetch('/v1/tokens', { method: 'POST', headers, body }));
  };
  const status = (id: string) => statusOf(gateway.fetch(`/operations/${id}?wait=5`));
  const reloads = () => gateway.logLines.filter((line) => line.includes('file reloaded')).length;
  const readBy = ({ token }: Record<string, unknown>, id: string) =>
    statusOf(
      gateway.fetch(`/operations/${id}`, { headers: { authorization: `Bearer ${String(token)}` } }),
    );
  const first = await made();
  const token = await lent();
  await writeFile(previous, oldSecret);
  await writeFile(current, newSecret);
  await expect.poll(reloads, anyTime).toBe(2);
  const second = await made();
  expect([await status(first), await status(second)]).toEqual([200, 200]);
  expect(await readBy(token, second)).toBe(200);
  await writeFile(previous, 'another-'.padEnd(40, 'z'));
  await expect.poll(reloads, anyTime).toBe(3);
  expect(await readBy(token, second)).toBe(401);
  await writeFile(current, 'short');
  await expect.poll(() => gateway.logLines.join(), anyTime).toContain('at least 32 characters');
  expect(await status(second)).toBe(200);
  await gateway.close();
}, 60_000);
