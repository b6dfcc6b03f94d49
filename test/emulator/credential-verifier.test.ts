import { constants, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import type { ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { ImageGenerationAsyncService } from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { IamTokenService } from '../../src/gen/yandex/cloud/iam/v1/iam_token_service_pb.ts';
import { connectGrpc, type GrpcClient } from '../support/grpc-client.ts';

const own = generateKeyPairSync('rsa', { modulusLength: 2048 });
const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
let emulator: Emulator;
let grpc: GrpcClient;

beforeAll(async () => {
  emulator = await startEmulator({
    latencyMs: 0,
    credentials: {
      apiKeys: ['api-key-1'],
      iamTokens: ['t1.fixed'],
      serviceAccountKeys: [
        {
          id: 'key-1',
          serviceAccountId: 'account-1',
          publicKeyPem: own.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
        },
      ],
    },
  });
  grpc = connectGrpc(emulator.address);
});

afterAll(async () => {
  grpc.client.close();
  await emulator.close();
});

const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const nowS = () => Math.floor(Date.now() / 1000);

interface Changes {
  readonly header?: object;
  readonly claims?: object;
  readonly key?: KeyObject;
  readonly saltLength?: number;
}

function assertion({
  header,
  claims,
  key = own.privateKey,
  saltLength = constants.RSA_PSS_SALTLEN_DIGEST,
}: Changes = {}) {
  const text = [
    encoded({ typ: 'JWT', alg: 'PS256', kid: 'key-1', ...header }),
    encoded({
      iss: 'account-1',
      aud: 'https://iam.api.cloud.yandex.net/iam/v1/tokens',
      iat: nowS(),
      exp: nowS() + 3_600,
      ...claims,
    }),
  ].join('.');
  const signature = sign('sha256', Buffer.from(text), {
    key,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength,
  });
  return `${text}.${signature.toString('base64url')}`;
}

const exchange = (jwt: string) =>
  grpc.call(IamTokenService.method.create, { identity: { case: 'jwt', value: jwt } });

function generate(authorization?: string) {
  const request = { modelUri: 'art://f/yandex-art', messages: [{ text: 'a cat', weight: 1 }] };
  const headers = authorization === undefined ? {} : { authorization };
  return grpc.call(ImageGenerationAsyncService.method.generate, request, headers);
}

async function codeOf(promise: Promise<unknown>): Promise<number> {
  return promise.then(
    () => 0,
    (error: ServiceError) => error.code,
  );
}

describe('a call', () => {
  it.each(['Api-Key api-key-1', 'api-key api-key-1', 'Bearer t1.fixed', 'BEARER t1.fixed'])(
    'with %s is accepted',
    async (authorization) => {
      expect((await generate(authorization)).id).toHaveLength(20);
    },
  );

  it.each([
    undefined,
    'Bearer api-key-1',
    'Api-Key t1.fixed',
    'Bearer x',
    'api-key-1',
    'Basic abc',
  ])('with %s is refused', async (authorization) => {
    expect(await codeOf(generate(authorization))).toBe(16);
  });
});

describe('an assertion', () => {
  it('is exchanged for a token of twelve hours that is accepted', async () => {
    const { iamToken, expiresAt } = await exchange(assertion());
    expect(Number(expiresAt?.seconds) - nowS()).toBeGreaterThan(43_000);
    expect((await generate(`Bearer ${iamToken}`)).id).toHaveLength(20);
  });

  it.each([
    ['of another audience', { claims: { aud: 'https://example.com' } }],
    ['of another issuer', { claims: { iss: 'account-2' } }],
    ['that has expired', { claims: { iat: nowS() - 7_200, exp: nowS() - 3_600 } }],
    ['from the future', { claims: { iat: nowS() + 600, exp: nowS() + 4_000 } }],
    ['that is valid for too long', { claims: { exp: nowS() + 3_700 } }],
    ['without an end', { claims: { exp: undefined } }],
    ['of an unknown key', { header: { kid: 'key-2' } }],
    ['of another algorithm', { header: { alg: 'RS256' } }],
    ['of no algorithm', { header: { alg: 'none' } }],
    ['without a type', { header: { typ: undefined } }],
    ['signed with another key', { key: other.privateKey }],
    ['signed with another salt length', { saltLength: 20 }],
  ] satisfies [string, Changes][])('%s is refused', async (_, changes) => {
    expect(await codeOf(exchange(assertion(changes)))).toBe(16);
  });

  it.each(['', 'a.b', 'a.b.c', 'a.b.c.d', '%%%.%%%.%%%', 'bnVsbA.bnVsbA.c2ln'])(
    'is never %j',
    async (jwt) => {
      expect(await codeOf(exchange(jwt))).toBe(16);
    },
  );
});
