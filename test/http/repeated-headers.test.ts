import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exchange } from '../support/raw-exchange.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({ DRAWING_DELAY_MS: '10' });
});
afterAll(() => gateway.close());

const json = '{"prompt":"a red cat"}';

async function bodyOf(path: string, lines: readonly string[], start = `POST ${path} HTTP/1.1`) {
  const body = start.startsWith('POST') ? json : '';
  const fields = [
    start,
    ...(lines.some((line) => /^host:/i.test(line)) ? [] : ['host: x']),
    ...(lines.some((line) => /^content-length:/i.test(line))
      ? []
      : [`content-length: ${body.length}`]),
    ...(lines.some((line) => /^content-type:/i.test(line))
      ? []
      : ['content-type: application/json']),
    'connection: close',
    ...lines,
  ];
  const { text, statuses } = await exchange(
    gateway.origin,
    `${fields.join('\r\n')}\r\n\r\n${body}`,
  );
  return { status: statuses[0], json: JSON.parse(text.split('\r\n\r\n')[1] ?? '') as Body };
}

interface Body {
  readonly code: unknown;
  readonly outcome?: unknown;
  readonly errors?: readonly { readonly header?: string }[];
  readonly error?: { readonly param?: unknown };
  readonly details?: readonly {
    readonly fieldViolations?: readonly { readonly field: string }[];
  }[];
}

const repeated: readonly (readonly [name: string, first: string, second: string])[] = [
  ['Host', 'x', 'y'],
  ['Authorization', 'Bearer a', 'Bearer b'],
  ['X-Api-Key', 'a', 'b'],
  ['Content-Type', 'application/json', 'text/plain'],
  ['Content-Length', String(json.length), String(json.length)],
  ['Content-Encoding', 'identity', 'gzip'],
  ['Idempotency-Key', 'order-1', 'order-2'],
  ['Origin', 'http://x', 'http://evil.example'],
  ['Range', 'bytes=0-1', 'bytes=2-3'],
  ['If-Range', '"a"', '"b"'],
  ['Last-Event-ID', '1', '2'],
];

describe('two lines of a header that has one value', () => {
  it.each(repeated)('are a 400 that names %s', async (name, first, second) => {
    for (const lines of [
      [`${name}: ${first}`, `${name}: ${second}`],
      [`${name.toLowerCase()}: ${first}`, 'x-between: 1', `${name.toUpperCase()}: ${first}`],
    ]) {
      const { status, json: problem } = await bodyOf('/v1/images', lines);
      expect(status).toBe(400);
      expect(problem.errors).toEqual([expect.objectContaining({ header: name })]);
      expect(problem.outcome).toBe('not_started');
    }
  });

  it('are a 400 in the error form of each surface', async () => {
    const lines = ['X-Api-Key: a', 'X-Api-Key: b'];
    const openAi = await bodyOf('/v1/images/generations', lines);
    expect([openAi.status, openAi.json.error?.param]).toEqual([400, 'X-Api-Key']);
    const vendor = await bodyOf('/foundationModels/v1/imageGenerationAsync', lines);
    expect([vendor.status, vendor.json.details?.[0]?.fieldViolations?.[0]?.field]).toEqual([
      400,
      'X-Api-Key',
    ]);
  });

  it('are a 400 on public and unknown paths, and on reads too', async () => {
    for (const path of ['/livez', '/nothing', '/operations/op_x/image']) {
      const lines = ['range: bytes=0-1', 'Range: bytes=0-1'];
      const { status, json: problem } = await bodyOf(path, lines, `GET ${path} HTTP/1.1`);
      expect([status, problem.errors?.[0]?.header]).toEqual([400, 'Range']);
    }
  });

  it('have a code that the route promises: a key is one only on creates', async () => {
    const lines = ['idempotency-key: a', 'Idempotency-Key: a'];
    const created = await bodyOf('/v1/images', lines);
    const read = await bodyOf('/operations/op_x', lines, 'GET /operations/op_x HTTP/1.1');
    expect([created.json.code, read.json.code]).toEqual([
      'idempotency_key_invalid',
      'invalid_request',
    ]);
  });
});

describe('two lines of Idempotency-Key', () => {
  const lines = ['Idempotency-Key: a', 'Idempotency-Key: a'];
  it.each([
    ['/v1/images', 'POST', 'idempotency_key_invalid'],
    ['/operations/op_x', 'GET', 'invalid_request'],
    ['/operations/op_x/cancel', 'POST', 'invalid_request'],
  ])('are a 400 of %s by %s with the code %s', async (path, method, code) => {
    const { status, json: problem } = await bodyOf(path, lines, `${method} ${path} HTTP/1.1`);
    expect([status, problem.code]).toEqual([400, code]);
  });
});

describe('two lines of a header that is a list', () => {
  it.each([
    ['Accept', 'image/png;q=0.1', 'application/json'],
    ['Prefer', 'wait=0', 'handling=lenient'],
    ['X-Forwarded-For', '1.2.3.4', '5.6.7.8'],
    ['Cookie', 'a=b', 'c=d'],
  ])('are served: %s', async (name, first, second) => {
    const { status } = await bodyOf('/v1/images', [`${name}: ${first}`, `${name}: ${second}`]);
    expect(status).toBe(202);
  });
});
