/**
 * One create through the gateway and its service is one POST at the backend,
 * whatever the backend does; the same through the `openai` client, and through a
 * LiteLLM proxy in front of the same backend, for comparison.
 *
 *     npm run test:one-post -- [--port PORT] [--litellm URL --litellm-key KEY]
 *
 * The proxy has to know the model `sd-tiny` at `http://127.0.0.1:PORT/v1`.
 */
import type { Socket } from 'node:net';
import { parseArgs } from 'node:util';
import OpenAI from 'openai';
import {
  HttpBackend,
  imageBody,
  jsonResponse,
  png,
  type Script,
} from '../renderers/http-backend.ts';
import { recordFigure } from '../support/figure.ts';
import { startGateway } from '../support/gateway.ts';
import { inParallel } from '../support/in-parallel.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    litellm: { type: 'string' },
    'litellm-key': { type: 'string' },
  },
});

const whole = jsonResponse(200, imageBody(png(2, 2)));
const status = (code: number, headers = {}): Script => {
  const response = jsonResponse(code, { error: { message: 'no' } }, headers);
  return (socket) => socket.end(response);
};
const cut =
  (at: number, how: (socket: Socket) => void): Script =>
  (socket) => {
    if (at === 0) how(socket);
    else socket.write(whole.subarray(0, at), () => how(socket));
  };

/** Ways to end a request that brings no whole image, by name. The name is the prompt. */
const ways = new Map<string, Script>([
  ...Array.from({ length: whole.length }, (_, at): [string, Script] => [
    `reset at byte ${at}`,
    cut(at, (socket) => socket.resetAndDestroy()),
  ]),
  ...Array.from({ length: whole.length }, (_, at): [string, Script] => [
    `closed at byte ${at}`,
    cut(at, (socket) => socket.end()),
  ]),
  ...[408, 409, 425, 500, 502, 503, 504].map((code): [string, Script] => [
    `status ${code}`,
    status(code, { 'retry-after': 0 }),
  ]),
  ['silence', () => undefined],
]);

const backend = await HttpBackend.listen(Number(values.port));
/** POSTs by prompt. */
const posts = new Map<string, number>();
backend.onPost = (socket, received) => {
  const { prompt } = JSON.parse(received.body) as { prompt: string };
  posts.set(prompt, (posts.get(prompt) ?? 0) + 1);
  const way = ways.get(prompt.replace(/^.*: /, ''));
  if (way !== undefined) return way(socket, received);
  // Kept open by its word, and gone when the next request comes.
  socket.write(jsonResponse(200, imageBody(png()), { connection: 'keep-alive' }));
  socket.once('data', () => socket.resetAndDestroy());
};

const violations: string[] = [];
const gateway = await startGateway({
  ...{ BACKEND_URL: backend.url, BACKEND_SPEND: 'once', BACKEND_MODEL: 'sd-tiny' },
  ...{ BACKEND_CONCURRENCY: '16', BACKEND_TIMEOUT_MS: '5000' },
});
await inParallel(ways.keys(), 32, async (name) => {
  const response = await gateway.create({ prompt: name }, { accept: 'image/*' });
  const problem = (await response.json()) as { code?: string };
  if (problem.code !== 'result_lost')
    violations.push(`${name}: ${response.status} ${problem.code}`);
});
const stale = ['one', 'two', 'three'].map((name) => `stale socket ${name}`);
await inParallel(stale, 1, async (name) => {
  const response = await gateway.create({ prompt: name }, { accept: 'image/*' });
  await response.arrayBuffer();
  if (!response.ok) violations.push(`${name}: ${response.status}`);
});
await gateway.close();
const expected = [...ways.keys(), ...stale];
for (const name of expected) {
  const count = posts.get(name) ?? 0;
  if (count !== 1) violations.push(`${name}: ${count} POSTs`);
}

const compared = ['reset at byte 0', 'status 500', 'status 503', 'status 504'];
const others = [`the openai client ${await postsThrough('openai', `${backend.url}/v1`, 'none')}`];
if (values.litellm !== undefined) {
  const url = `${values.litellm}/v1`;
  others.push(`a LiteLLM proxy ${await postsThrough('litellm', url, values['litellm-key'] ?? '')}`);
}
await backend.close();

for (const violation of violations) process.stdout.write(`${violation}\n`);
recordFigure({
  promise: 'P25',
  says: 'one create through the gateway is one POST at the backend',
  goal: 'reset at every byte, 500, 503, 504, stale socket: 1',
  seen: `${expected.length} creates, one POST each: ${violations.length} violations. Reset, 500, 503, 504 beside it: ${others.join(', ')}`,
  isMet: violations.length === 0,
  by: `npm run test:one-post${values.litellm === undefined ? '' : ' -- --port 18123 --litellm URL'}`,
});
process.exitCode = violations.length === 0 ? 0 : 1;

/** How many POSTs one request of another client makes, for each way that is compared. */
async function postsThrough(name: string, baseURL: string, apiKey: string): Promise<string> {
  // The proxy's own repeats are what is counted, not those of the client in front of it.
  const options = name === 'litellm' ? { maxRetries: 0 } : {};
  const client = new OpenAI({ baseURL, apiKey, ...options });
  const counts: number[] = [];
  for (const way of compared) {
    const prompt = `${name}: ${way}`;
    await client.images.generate({ model: 'sd-tiny', prompt }).catch(() => undefined);
    counts.push(posts.get(prompt) ?? 0);
  }
  return counts.join(', ');
}
