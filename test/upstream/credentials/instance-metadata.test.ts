import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openInstanceMetadata } from '../../../src/upstream/credentials/instance-metadata.ts';
import { TokenRefusedError } from '../../../src/upstream/credentials/refreshing-token.ts';
import { tokenSourceFromSettings } from '../../../src/upstream/credentials/token-source.ts';

const path = '/computeMetadata/v1/instance/service-accounts/default/token';
let server: Server;
let origin: string;
let requested: string[];
let respond: (request: IncomingMessage, response: ServerResponse) => void;

beforeEach(async () => {
  requested = [];
  // Like the real one: refuses requests without the header.
  respond = (request, response) => {
    if (request.headers['metadata-flavor'] !== 'Google') response.writeHead(403).end();
    else response.end(tokenJson());
  };
  server = createServer((request, response) => {
    requested.push(`${request.method} ${request.url}`);
    respond(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

function tokenJson(change: object = {}): string {
  return JSON.stringify({
    access_token: 't1.canary',
    expires_in: 600,
    token_type: 'Bearer',
    ...change,
  });
}

const fetchToken = (timeoutMs?: number) =>
  openInstanceMetadata({
    origin,
    nowMs: () => 1_000,
    ...(timeoutMs !== undefined && { timeoutMs }),
  })();

async function failure(timeoutMs?: number): Promise<Error> {
  const error = await fetchToken(timeoutMs).then(
    () => new Error('it succeeded'),
    (thrown: Error) => thrown,
  );
  expect(`${error.stack} ${String(error.cause)}`).not.toContain('canary');
  return error;
}

describe('the metadata service', () => {
  it('is requested at its path with its header, and its token lives as long as it says', async () => {
    expect(await fetchToken()).toEqual({ token: 't1.canary', expiresAtMs: 601_000 });
    expect(requested).toEqual([`GET ${path}`]);
  });

  it('is requested again when a tenth of the life is left, and the token is sent as Bearer', async () => {
    let nowMs = 0;
    const source = await tokenSourceFromSettings(
      { metadataService: origin },
      { nowMs: () => nowMs },
    );
    expect(await source.authorization()).toBe('Bearer t1.canary');
    nowMs = 539_000;
    await source.authorization();
    expect(requested).toHaveLength(1);
    nowMs = 541_000;
    await source.authorization();
    await vi.waitFor(() => expect(requested).toHaveLength(2));
  });

  it('is not followed to another address', async () => {
    respond = (request, response) => {
      if (request.url === path) response.writeHead(302, { location: `${origin}/canary` }).end();
      else response.end(tokenJson());
    };
    expect((await failure()).message).toMatch(/HTTP 302/);
    expect(requested).toHaveLength(1);
  });

  it('is requested directly even where the environment names a proxy', async () => {
    vi.stubEnv('NODE_USE_ENV_PROXY', '1');
    vi.stubEnv('HTTP_PROXY', 'http://127.0.0.1:1');
    vi.stubEnv('http_proxy', 'http://127.0.0.1:1');
    expect(await fetchToken()).toMatchObject({ token: 't1.canary' });
  });

  it.each([
    ['nothing', () => undefined],
    ['headers', (response: ServerResponse) => response.writeHead(200).flushHeaders()],
    ['half a body', (response: ServerResponse) => response.write('{"access_token":"t1.canary"')],
  ])('that hangs after %s is a timeout', async (_, begin) => {
    respond = (_request, response) => begin(response);
    expect((await failure(100)).message).toMatch(/no response in time/);
  });

  it.each([
    ['no JSON', '<t1.canary>'],
    ['no object', '"t1.canary"'],
    ['null', 'null'],
    ['no token', '{"expires_in":600}'],
    ['a token that is no text', tokenJson({ access_token: ['canary'] })],
    ['no life', '{"access_token":"t1.canary"}'],
    ['a life that is no number', tokenJson({ expires_in: '600' })],
  ])('that answers with %s is refused', async (_, body) => {
    respond = (_request, response) => response.end(body);
    expect((await failure()).message).toMatch(/without access_token and expires_in/);
  });

  it('that sends too much is cut off', async () => {
    respond = (_request, response) => {
      response.on('error', () => undefined);
      response.write(tokenJson() + ' '.repeat(65_536));
    };
    expect((await failure(1_500)).message).toMatch(/too large/);
  });

  it('that is no HTTP or closes the connection is an error without its bytes', async () => {
    respond = (_request, response) => response.socket?.end('canary canary canary\r\n\r\n');
    expect((await failure()).message).toMatch(/can not be reached/);
    respond = (_request, response) => response.socket?.destroy();
    expect((await failure()).message).toMatch(/can not be reached \(ECONNRESET\)/);
  });

  it.each([
    [403, true],
    [404, true],
    [500, false],
    [204, false],
  ])('that answers %i has refused: %s', async (status, isRefusal) => {
    respond = (_request, response) => response.writeHead(status).end();
    const error = await failure();
    expect(error.message).toContain(String(status));
    expect(error instanceof TokenRefusedError).toBe(isRefusal);
  });
});
