import { toBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OperationSchema } from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { runningOperation, succeededOperation } from '../support/fake-upstream.ts';
import { recordFigure } from '../support/figure.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { inParallel } from '../support/in-parallel.ts';
import * as raw from '../support/raw-responses.ts';
import { startRawUpstream, type RawUpstream } from '../support/raw-upstream.ts';
import { exchange } from '../support/raw-exchange.ts';
import { smuggledId, smuggledRequest, smugglingCorpus } from './smuggling-corpus.ts';

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

const create = smuggledRequest('');

describe('a request whose ends are in doubt', () => {
  it('gets one 4xx response, and nothing behind it is read', async () => {
    const spentBefore = upstream.spent;
    const faults: string[] = [];
    await inParallel(smugglingCorpus.values(), 16, async ({ name, bytes }) => {
      const { text, statuses } = await exchange(gateway.origin, bytes + smuggledRequest());
      const [head = '', body = ''] = text.split('\r\n\r\n');
      const isProblem =
        head.includes('content-type: application/problem+json') &&
        head.includes('connection: close') &&
        // The response to a HEAD has none.
        (name.startsWith('HEAD ') ? body === '' : body.includes('"outcome":"not_started"'));
      const isRefusal = statuses.length === 1 && Math.floor((statuses[0] ?? 0) / 100) === 4;
      if (!isRefusal || !isProblem) faults.push(`${name}: ${text.slice(0, 300)}`);
    });
    expect(gateway.logLines.join('')).not.toContain(smuggledId);
    const spent = upstream.spent - spentBefore;
    recordFigure({
      promise: 'P15',
      says: 'One request is one request',
      goal: '≥ 60 smuggling payloads: one 4xx and a close each',
      seen: `${smugglingCorpus.length} payloads, each with a create behind it: ${smugglingCorpus.length - faults.length} one 4xx response and closed, ${spent} creates ran`,
      isMet: smugglingCorpus.length >= 60 && faults.length === 0 && spent === 0,
      by: 'npx vitest run test/edge/smuggling.test.ts',
    });
    expect(faults).toEqual([]);
    expect(spent).toBe(0);
  });

  it('does not take the place of a pending response: the response to a paid create comes first', async () => {
    const { text, statuses } = await exchange(gateway.origin, `${create}NO HTTP\r\n\r\n`);
    expect(statuses).toEqual([202, 400]);
    expect(text.indexOf('"status":"running"')).toBeLessThan(
      text.indexOf('"code":"invalid_request"'),
    );
  });

  it('gets no second response when it was refused before its body broke off', async () => {
    const { statuses } = await exchange(
      gateway.origin,
      `POST /v1/images HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-type: text/plain\r\n\r\nxyz\r\n`,
    );
    expect(statuses).toHaveLength(1);
  });
});

describe('what is allowed', () => {
  const get = (lines = 'host: x\r\n', target = '/livez') =>
    `GET ${target} HTTP/1.1\r\n${lines}\r\n`;
  const last = get('host: x\r\nconnection: close\r\n');
  it.each([
    ['empty lines before a request', `\r\n\r\n${get()}`],
    ['a length of 0 on a GET', get('host: x\r\ncontent-length: 0\r\n')],
    ['a Host with an IPv6 address and a port', get('host: [::1]:8080\r\n')],
    ['header names in capitals', get('HOST: x\r\n')],
    ['tabs and spaces around a value', get('host:\t x \r\n')],
    ['a whole URL of the same host', get('host: X:80\r\n', 'http://x:80/livez')],
  ])('is %s', async (_, bytes) => {
    expect((await exchange(gateway.origin, bytes + last)).statuses).toEqual([200, 200]);
  });

  it('is a body in chunks, with extensions and trailers', async () => {
    const bytes =
      'POST /v1/images HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n' +
      'transfer-encoding: \tchunked\r\ntrailer: x\r\n\r\n' +
      '1;a=b\r\n{\r\n1\r\n}\r\n0\r\nx: y\r\n\r\n';
    // It was read to its end: what it lacks is a prompt.
    const { statuses, text } = await exchange(gateway.origin, bytes + last);
    expect(statuses).toEqual([400, 200]);
    expect(text).toContain('prompt');
  });

  it('is to wait for the invitation to send a body', async () => {
    const start = create.replace('host:', 'expect: 100-continue\r\nconnection: close\r\nhost:');
    expect((await exchange(gateway.origin, start)).statuses).toEqual([100, 202]);
  });

  it('is to offer HTTP/2, which is ignored: the response is HTTP/1.1 and the last', async () => {
    const offer =
      'host: x\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: \r\n';
    const { statuses, text } = await exchange(gateway.origin, get(offer) + smuggledRequest());
    expect(statuses).toEqual([200]);
    expect(text.toLowerCase()).toContain('connection: close');
  });
});

describe('a connection', () => {
  it('takes a bounded number of requests ahead of their responses', async () => {
    const waiting = create.replace('host:', 'prefer: wait=60\r\nhost:');
    const livez = 'GET /livez HTTP/1.1\r\nhost: x\r\n\r\n';
    const bounded = await startGateway(
      { UPSTREAM_ADDRESS: upstream.address, UPSTREAM_POLL_INTERVAL_MS: '20' },
      { edge: { pipelinedMax: 3 } },
    );
    upstream.on('Get', raw.ok(toBinary(OperationSchema, succeededOperation('up1'))));
    const { statuses } = await exchange(bounded.origin, waiting + livez.repeat(4));
    expect(statuses.slice(1)).toEqual([200, 200, 400]);
    await bounded.close();
  });

  it('that comes when there are too many is closed unanswered', async () => {
    const bounded = await startGateway(
      { UPSTREAM_ADDRESS: upstream.address, CONNECTIONS_MAX: '1' },
      { edge: { headersMs: 300, sweepMs: 50 } },
    );
    const [first, second] = await Promise.all([
      exchange(bounded.origin, ''),
      exchange(bounded.origin, 'GET /livez HTTP/1.1\r\nhost: x\r\n\r\n'),
    ]);
    expect([first.statuses, second.statuses]).toEqual([[408], []]);
    await expect
      .poll(() => bounded.logLines.join(''), { timeout: 10_000 })
      .toContain('connections lost to a limit');
    await bounded.close();
  });
});

describe('links', () => {
  it('name the public URL, whatever Host and forwarding headers say', async () => {
    const start = create.replace(
      'host: gateway',
      'host: evil\r\nx-forwarded-host: evil.example\r\nforwarded: host=evil.example\r\nconnection: close',
    );
    const { text, statuses } = await exchange(gateway.origin, start);
    expect(statuses).toEqual([202]);
    expect(text).toContain(`${gateway.origin}/operations/op_`);
    expect(text).not.toContain('evil');
  });
});
