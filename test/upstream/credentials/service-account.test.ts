import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../../src/emulator/emulator.ts';
import { serviceAccountKeyFromText } from '../../../src/upstream/credentials/service-account.ts';
import { jsonOf } from '../../support/responses.ts';
import { startGateway, type Gateway } from '../../support/gateway.ts';

interface AccountKey {
  readonly id: string;
  readonly publicKeyPem: string;
  /** The file as the vendor writes it. */
  readonly fileText: string;
  readonly privateKeyPem: string;
}

function accountKey(id: string): AccountKey {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const privateKeyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const file = {
    id,
    service_account_id: 'account-1',
    created_at: '2026-11-24T00:00:00Z',
    key_algorithm: 'RSA_2048',
    private_key: `PLEASE DO NOT REMOVE THIS LINE! Yandex.Cloud SA Key ID <${id}>\n${privateKeyPem}`,
  };
  return {
    id,
    privateKeyPem,
    publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    fileText: JSON.stringify(file),
  };
}

describe('the key file of a service account', () => {
  const key = accountKey('key-1');
  const changed = (changes: object) => JSON.stringify({ ...JSON.parse(key.fileText), ...changes });

  it('is read with the line of warning that the vendor writes first', () => {
    const read = serviceAccountKeyFromText(key.fileText, 'SETTING');
    expect([read.id, read.serviceAccountId]).toEqual(['key-1', 'account-1']);
  });

  it.each([
    ['no JSON', '{', 'must hold JSON'],
    ['no object', '[]', 'must hold a JSON object'],
    ['no id', changed({ id: undefined }), 'id must be an id'],
    ['no account', changed({ service_account_id: 7 }), 'service_account_id must be an id'],
    ['no key', changed({ private_key: 'x' }), 'private_key must be an RSA key'],
    [
      'a key of another type',
      changed({
        private_key: generateKeyPairSync('ed25519').privateKey.export({
          type: 'pkcs8',
          format: 'pem',
        }),
      }),
      'private_key must be an RSA key',
    ],
  ])('with %s is refused, and quoted nowhere', (_, text, words) => {
    const secret = key.privateKeyPem.split('\n')[1] ?? 'never';
    let stack = '';
    try {
      serviceAccountKeyFromText(text, 'SETTING');
    } catch (error) {
      stack = String((error as Error).stack);
    }
    expect(stack).toContain(`SETTING: ${words}`);
    expect(stack).not.toContain(secret);
  });
});

describe('a gateway with a service account key', () => {
  const keys = [accountKey('key-1'), accountKey('key-2')] as const;
  const accepted = keys.map(({ id, publicKeyPem }) => ({
    ...{ id, publicKeyPem, serviceAccountId: 'account-1' },
  }));
  let folder: string;
  let emulator: Emulator;
  let gateway: Gateway | undefined;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'service-account-'));
    emulator = await startEmulator({
      latencyMs: 30,
      generationsPerMinuteMax: 100_000,
      generationsPerDayMax: 100_000,
      credentials: { serviceAccountKeys: accepted },
    });
  });
  afterEach(async () => {
    await gateway?.close();
    gateway = undefined;
  });
  afterAll(async () => {
    await emulator.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function start(fileText: string): Promise<Gateway> {
    const path = join(folder, 'key.json');
    await writeFile(path, fileText, { mode: 0o600 });
    gateway = await startGateway({
      UPSTREAM_ADDRESS: emulator.address,
      IAM_ADDRESS: emulator.address,
      UPSTREAM_SERVICE_ACCOUNT_KEY_FILE: path,
    });
    return gateway;
  }

  const create = (of: Gateway) => jsonOf(of.create({ prompt: 'a red cat' }));

  it('exchanges a signed assertion for a token, once for many creates', async () => {
    const exchanges = emulator.ledger.exchanges;
    const started = await start(keys[0].fileText);
    const made = await Promise.all(Array.from({ length: 20 }, () => create(started)));
    expect(made.map(({ httpStatus }) => httpStatus)).toEqual(Array(20).fill(202));
    expect(emulator.ledger.exchanges - exchanges).toBe(1);
    const secret = keys[0].privateKeyPem.split('\n')[1] ?? 'never';
    expect(started.logLines.join('')).not.toContain(secret);
    expect(started.logLines.join('')).not.toMatch(/t1\.[\w-]{20}|eyJ[\w-]{20}/);
  });

  it('uses a key file that was replaced, without a failed create', async () => {
    const exchanges = emulator.ledger.exchanges;
    const started = await start(keys[0].fileText);
    const statuses = new Set<unknown>();
    let isOver = false;
    const load = (async () => {
      while (!isOver) statuses.add((await create(started))['httpStatus']);
    })();
    await new Promise((resolve) => setTimeout(resolve, 200));
    await writeFile(join(folder, 'key.json'), keys[1].fileText);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    isOver = true;
    await load;
    expect([...statuses]).toEqual([202]);
    expect(emulator.ledger.exchanges - exchanges).toBe(2);
  });

  it('answers 502 and spends nothing while IAM does not know the key', async () => {
    const started = await start(accountKey('key-9').fileText);
    expect(await create(started)).toMatchObject({
      httpStatus: 502,
      code: 'upstream_auth',
      outcome: 'not_started',
    });
  });
});
