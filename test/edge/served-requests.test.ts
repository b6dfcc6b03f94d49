import { toBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OperationSchema } from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { runningOperation, succeededOperation } from '../support/fake-upstream.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import * as raw from '../support/raw-responses.ts';
import { startRawUpstream, type RawUpstream } from '../support/raw-upstream.ts';
import { exchange } from '../support/raw-exchange.ts';
import { smuggledId, smuggledRequest } from './smuggling-corpus.ts';

let upstream: RawUpstream;
let gateway: Gateway;

beforeAll(async () => {
  upstream = await startRawUpstream();
  upstream.on('Generate', raw.ok(toBinary(OperationSchema, runningOperation('up1'))));
  gateway = await startGateway({ UPSTREAM_ADDRESS: upstream.address });
});

afterAll(async () => {
  await gateway.close();
  await upstream.close();
});

const last = 'GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n';

function get(lines: readonly string[], body = '', start = 'GET /livez HTTP/1.1'): string {
  return `${[start, ...lines].join('\r\n')}\r\n\r\n${body}`;
}

const json = '{"prompt":"a cat"}';

function create(lines: readonly string[], body = json, start = 'POST /v1/images HTTP/1.1'): string {
  const fields = [start, 'host: x', 'content-type: application/json', ...lines];
  return `${fields.join('\r\n')}\r\n\r\n${body}`;
}

/** One response to a request sent as raw bytes on a connection of its own. */
async function statusOf(bytes: string): Promise<number | undefined> {
  const { statuses } = await exchange(gateway.origin, bytes);
  expect(statuses).toHaveLength(1);
  return statuses[0];
}

/** A request by method and target, as a client that does not touch the target sends it. */
function statusOfTarget(target: string, method = 'GET'): Promise<number | undefined> {
  const lines = ['host: x', 'connection: close', 'content-length: 0'];
  return statusOf(get(lines, '', `${method} ${target} HTTP/1.1`));
}

describe('HTTP/1.0', () => {
  it.each([
    ['GET with Host', get(['host: x'], '', 'GET /livez HTTP/1.0')],
    ['GET without Host', get([], '', 'GET /livez HTTP/1.0')],
    ['HEAD', get(['host: x'], '', 'HEAD /readyz HTTP/1.0')],
    ['GET that would keep its connection', get(['connection: keep-alive'], '', 'GET / HTTP/1.0')],
    ['GET with a length of 0', get(['content-length: 0'], '', 'GET /livez HTTP/1.0')],
    // Node's parser reports both protocols as version 1.0.
    ['GET of RTSP/1.0', get(['host: x'], '', 'GET /livez RTSP/1.0')],
  ])('%s is served, and the connection ends', async (_, bytes) => {
    const { statuses, text } = await exchange(gateway.origin, bytes + smuggledRequest());
    expect(statuses).toEqual([200]);
    expect(text.toLowerCase()).toContain('connection: close');
    expect(gateway.logLines.join('')).not.toContain(smuggledId);
  });

  it.each([
    ['POST', create([`content-length: ${json.length}`], json, 'POST /v1/images HTTP/1.0')],
    ['a transfer coding', get(['transfer-encoding: chunked'], '0\r\n\r\n', 'GET / HTTP/1.0')],
    ['two Hosts', get(['host: x', 'host: x'], '', 'GET / HTTP/1.0')],
    ['a body', get(['content-length: 3'], 'abc', 'GET / HTTP/1.0')],
    ['OPTIONS', get(['host: x'], '', 'OPTIONS / HTTP/1.0')],
  ])('%s is refused', async (_, bytes) => {
    expect(await statusOf(bytes)).toBe(400);
  });

  it('gets a whole event stream, without chunks, and the end of the connection', async () => {
    const created = await gateway.create({ prompt: 'a cat' });
    const { id } = (await created.json()) as { id: string };
    upstream.on('Get', raw.ok(toBinary(OperationSchema, succeededOperation('up1'))));
    const start = `GET /operations/${id}/events HTTP/1.0`;
    const { statuses, text } = await exchange(gateway.origin, get([], '', start));
    expect(statuses).toEqual([200]);
    expect(text.toLowerCase()).not.toContain('transfer-encoding');
    expect(text).toMatch(/event: succeeded\ndata: \{[^\n]+\}\n\n$/);
  });
});

describe('Transfer-Encoding', () => {
  it.each(['chunked', 'Chunked', 'CHUNKED', 'cHuNkEd'])('%s is read', async (coding) => {
    const body = `${json.length.toString(16)}\r\n${json}\r\n0\r\n\r\n`;
    const bytes = create([`Transfer-Encoding: ${coding}`], body);
    expect((await exchange(gateway.origin, bytes + last)).statuses).toEqual([202, 200]);
  });

  it.each([
    ['GET', 'chunked'],
    ['GET', 'Chunked'],
    ['HEAD', 'chunked'],
  ])('%s with no bytes in %s is served', async (method, coding) => {
    const bytes = get(
      [`host: x`, `transfer-encoding: ${coding}`],
      '0\r\n\r\n',
      `${method} /livez HTTP/1.1`,
    );
    expect((await exchange(gateway.origin, bytes + last)).statuses).toEqual([200, 200]);
  });

  it('an empty body with a trailer and an extension is one of no bytes', async () => {
    const bytes = get(['host: x', 'transfer-encoding: chunked'], '0;a=b\r\nx: y\r\n\r\n');
    expect((await exchange(gateway.origin, bytes + last)).statuses).toEqual([200, 200]);
  });

  it('an empty body that comes late is one of no bytes', async () => {
    const head = get(['host: x', 'connection: close', 'transfer-encoding: chunked']);
    const { statuses } = await exchange(gateway.origin, head, { bytes: '0\r\n\r\n', everyMs: 50 });
    expect(statuses).toEqual([200]);
  });

  it('requests behind such a GET are served in order', async () => {
    const empty = get(['host: x', 'transfer-encoding: chunked'], '0\r\n\r\n');
    const bytes = empty + get(['host: x'], '', 'GET /nothing HTTP/1.1') + empty + last;
    expect((await exchange(gateway.origin, bytes)).statuses).toEqual([200, 404, 200, 200]);
  });

  it.each(['1\r\na\r\n0\r\n\r\n', '1\r\na\r\n', 'zz\r\n'])(
    'GET with the body %j is refused, and nothing behind it is read',
    async (body) => {
      const bytes = get(['host: x', 'transfer-encoding: chunked'], body) + smuggledRequest();
      expect(await statusOf(bytes)).toBe(400);
      expect(gateway.logLines.join('')).not.toContain(smuggledId);
    },
  );
});

describe('a method', () => {
  it.each([
    ['QUERY', '/v1/images'],
    ['QUERY', '/operations/op_x'],
    ['PUT', '/v1/images'],
    ['DELETE', '/operations/op_x'],
    ['PROPFIND', '/'],
    ['TRACE', '/livez'],
    ['OPTIONS', '/v1/images'],
  ])('%s of %s that exists is 405', async (method, path) => {
    const { statuses, text } = await exchange(
      gateway.origin,
      get(['host: x', 'connection: close', 'content-length: 0'], '', `${method} ${path} HTTP/1.1`),
    );
    expect(statuses).toEqual([405]);
    expect(text.toLowerCase()).toMatch(/\r\nallow: [a-z, ]+\r\n/);
  });

  it('QUERY with a body is 405, and the next request is served', async () => {
    const query = create([`content-length: ${json.length}`], json, 'QUERY /v1/images HTTP/1.1');
    expect((await exchange(gateway.origin, query + last)).statuses).toEqual([405, 200]);
  });

  it('GET * is refused', async () => {
    expect(await statusOfTarget('*')).toBe(400);
    expect(await statusOfTarget('*', 'HEAD')).toBe(400);
    expect(await statusOfTarget('*', 'POST')).toBe(400);
  });
});

describe('a path', () => {
  it.each([
    ['/livez/', 200],
    ['//livez', 200],
    ['/readyz//', 200],
    ['//', 200],
    ['/v1/models/', 200],
    ['/v1//models', 200],
    ['/operations/op_x/?token=a//b/', 404],
    ['http://x//livez/', 200],
    ['/docs/', 200],
    ['/problems/not_found/', 200],
    ['/operations', 404],
    ['/operations/', 404],
    ['//operations//', 404],
    ['/v1/operations/', 404],
    ['/%2Flivez', 404],
    ['/livez%2F', 404],
    ['/v1%2Fmodels', 404],
    ['/v1/./models', 404],
    ['/x/../livez', 404],
    ['/x/%2e%2e/livez', 404],
    ['/operations/%', 404],
    ['/operations/%ff/image', 404],
    ['/%zz', 404],
    ['\\livez', 400],
  ])('%s is %i', async (target, status) => {
    expect(await statusOfTarget(target)).toBe(status);
  });

  it('with slashes too many is that of its route for creates, on every surface', async () => {
    const length = `content-length: ${json.length}`;
    for (const [path, status] of [
      ['/v1/images/', 202],
      ['//v1/images', 202],
      ['/v1//images//', 202],
    ] as const) {
      const bytes = create([length, 'connection: close'], json, `POST ${path} HTTP/1.1`);
      expect([path, await statusOf(bytes)]).toEqual([path, status]);
    }
    const body = '{"messages":[{"text":"a cat"}],"modelUri":"art://f/m/latest"}';
    const bytes = create(
      [`content-length: ${body.length}`, 'connection: close'],
      body,
      'POST /foundationModels/v1/imageGenerationAsync/ HTTP/1.1',
    );
    expect(await statusOf(bytes)).toBe(200);
    const openAi = create(
      ['content-length: 2', 'connection: close'],
      '{}',
      'POST //v1/images/generations/ HTTP/1.1',
    );
    const { text } = await exchange(gateway.origin, openAi);
    expect(text).toContain('"type":"invalid_request_error"');
  });

  it('that is none of a folder of files is a problem document', async () => {
    const response = await gateway.fetch('/docs/static/nothing.js');
    expect([response.status, response.headers.get('content-type')]).toEqual([
      404,
      'application/problem+json; charset=utf-8',
    ]);
    await response.arrayBuffer();
  });

  it('that is wrong gets the error form of the path it stands for', async () => {
    const { text } = await exchange(
      gateway.origin,
      get(['host: x', 'connection: close'], '', 'GET //v1/nothing/ HTTP/1.1'),
    );
    expect(text).toContain('{"error":{');
  });
});

describe('X-Request-Id', () => {
  const idOf = async (sent: string) => {
    const bytes = get(['host: x', 'connection: close', `x-request-id: ${sent}`]);
    const { text } = await exchange(gateway.origin, bytes);
    return /x-request-id: ([^\r]*)/i.exec(text)?.[1];
  };
  it.each([
    'uuid#17',
    'Root=1-67891233-abcdef012345678912345678',
    'host/abc-1',
    '{"a":1}',
    'x'.repeat(128),
  ])('%s is kept', async (id) => {
    expect(await idOf(id)).toBe(id);
  });
  it('is kept when the request is refused at the edge', async () => {
    const bytes = get(['host: x', 'host: y', 'x-request-id: host/abc-1#2']);
    const { text } = await exchange(gateway.origin, bytes);
    expect(text).toContain('x-request-id: host/abc-1#2\r\n');
    expect(text).toContain('"requestId":"host/abc-1#2"');
  });

  it.each(['', 'a b', 'x'.repeat(129), 'é', 'a\tb'])('%j is replaced', async (id) => {
    expect(await idOf(id)).toMatch(/^[0-9a-f-]{36}$/);
  });
});
