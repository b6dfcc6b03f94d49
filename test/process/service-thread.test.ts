import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { embeddedServiceSettings } from '../../src/config/service-settings.ts';
import { settingsFromEnvironment } from '../../src/config/settings-from-environment.ts';
import { startServiceThread, type ServiceThread } from '../../src/service-thread.ts';
import { patientLimits } from '../../src/lifecycle/drain.ts';
import {
  connect,
  drawn,
  generate,
  get,
  imageOf,
  imageRequest,
  rpcErrorOf,
  start,
} from '../emulator/emulator-client.ts';
import { HttpBackend } from '../renderers/http-backend.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { idOf, jsonOf } from '../support/responses.ts';

const closings: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closings.splice(0).toReversed()) await close();
});

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'service-thread-'));
  closings.push(() => rm(path, { recursive: true, force: true }));
  return path;
}

interface LoggedLine {
  readonly text: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

async function startThread(environment: Record<string, string> = {}) {
  const lines: LoggedLine[] = [];
  const write = (fields: object, text: string) => lines.push({ text, fields: { ...fields } });
  const settings = settingsFromEnvironment({
    ...{ DATA_DIR: await folder(), DRAWING_DELAY_MS: '0', ...environment },
  });
  const log = { info: write, warn: write, error: write };
  const thread = await startServiceThread(embeddedServiceSettings(settings), log);
  closings.push(() => thread.close());
  return { thread, lines };
}

function connectTo({ address, apiKey }: ServiceThread) {
  return connect(address, undefined, { authorization: `Api-Key ${apiKey}` });
}

/** The threads that an action starts. */
async function threadsOf<Result>(
  act: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly threads: readonly Worker[] }> {
  const threads: Worker[] = [];
  const remember = (thread: Worker) => void threads.push(thread);
  process.on('worker', remember);
  const result = await act();
  closings.push(() => process.off('worker', remember));
  return { result, threads };
}

/** Starts a gateway whose service is embedded; closed with the test, in time. */
async function startEmbedded(environment: Record<string, string> = {}): Promise<Gateway> {
  const gateway = await startGateway({ DRAWING_DELAY_MS: '0', ...environment });
  closings.push(() => gateway.close());
  return gateway;
}

const busy = { timeout: 20_000 };

describe('the service on its thread', { timeout: 60_000 }, () => {
  it('draws the same image as the emulator in this process', async () => {
    const { thread } = await startThread();
    const { grpc } = await start();
    const onThread = connectTo(thread);
    const { id } = await onThread.call(generate, imageRequest('a red cat'));
    const isDone = async () => (await onThread.call(get, { operationId: id })).done;
    await expect.poll(isDone, busy).toBe(true);
    const { image } = imageOf(await onThread.call(get, { operationId: id }));
    expect(Buffer.from(image).equals(await drawn(grpc, imageRequest('a red cat')))).toBe(true);
  });

  it('writes its lines to the gateway’s log, from before it listened too, by the gateway’s name of an id', async () => {
    const { thread, lines } = await startThread();
    const { id } = await connectTo(thread).call(generate, imageRequest('a'));
    expect(lines).toEqual([]);
    thread.showLog();
    expect(lines[0]).toEqual({ text: 'ownership', fields: { owns: true } });
    await expect
      .poll(() => lines.at(-1), busy)
      .toMatchObject({
        text: 'attempt',
        fields: { upstreamId: id, outcome: 'image' },
      });
    expect(lines.at(-1)?.fields).not.toHaveProperty('operationId');
  });

  it('tells its metrics among the gateway’s, and nothing while it is gone', async () => {
    const { result: gateway, threads } = await threadsOf(() =>
      startEmbedded({ METRICS_PORT: '0' }),
    );
    const id = await idOf(await gateway.create({ prompt: 'a cat' }));
    await gateway.fetch(`/operations/${id}?wait=30`);
    const image = { backend: 'local', outcome: 'image' };
    await expect
      .poll(async () => (await gateway.metrics()).sum('backend_attempts_total', image), busy)
      .toBe(1);
    const scrape = await gateway.metrics();
    expect(scrape.sum('service_operations', { state: 'done' })).toBe(1);
    expect(scrape.sum('gateway_build_info')).toBe(1);
    expect(scrape.sum('spent_total')).toBe(0);
    await threads[0]?.terminate();
    expect((await gateway.metrics()).sum('gateway_build_info')).toBe(1);
  });

  it('ends when it is closed, even twice, and is not started again', async () => {
    const { result, threads } = await threadsOf(() => startThread());
    await result.thread.close();
    await result.thread.close();
    const error = rpcErrorOf(connectTo(result.thread).call(generate, imageRequest('a')));
    expect((await error).code).toBe(14);
    result.thread.showLog();
    expect(result.lines.filter(({ text }) => text.includes('ended'))).toEqual([]);
    expect(threads).toHaveLength(1);
  });

  it('is called by its own gateway alone, unless the operator gave it a port', async () => {
    const { thread } = await startThread();
    for (const always of [{}, { authorization: 'Api-Key guessed' }]) {
      const stranger = connect(thread.address, undefined, always);
      const error = await rpcErrorOf(stranger.call(generate, imageRequest('a')));
      expect(error.code).toBe(16);
    }
    const { emulator } = await start();
    await emulator.close();
    const open = await startThread({ SERVICE_PORT: String(emulator.port) });
    const { id } = await connect(open.thread.address).call(generate, imageRequest('a'));
    expect(id).not.toBe('');
  });

  it('does not start on a port that is taken, and says which setting names it', async () => {
    const { emulator } = await start();
    await expect(startThread({ SERVICE_PORT: String(emulator.port) })).rejects.toThrow(
      `SERVICE_PORT: the port ${emulator.port} is already in use`,
    );
  });

  it('that dies is started again on its port with what it had accepted, and reported', async () => {
    const { result: gateway, threads } = await threadsOf(() =>
      startEmbedded({ DRAWING_DELAY_MS: '1000' }),
    );
    const id = await idOf(await gateway.create({ prompt: 'a cat' }));
    await threads[0]?.terminate();
    const ended = () => gateway.logLines.filter((line) => line.includes('embedded service ended'));
    await expect.poll(() => ended().length, busy).toBe(1);
    const created = async () => (await gateway.create({ prompt: 'a second cat' })).status;
    await expect.poll(created, busy).toBe(202);
    const operation = await jsonOf(await gateway.fetch(`/operations/${id}?wait=30`));
    expect(operation).toMatchObject({ status: 'succeeded' });
    expect(threads).toHaveLength(2);
    expect(ended()).toHaveLength(1);
  });

  it('that dies again and again harms no one, though its end can not be logged', async () => {
    const { result, threads } = await threadsOf(async () => {
      const fail = () => {
        throw new Error('the log is broken');
      };
      const settings = settingsFromEnvironment({ DATA_DIR: await folder() });
      const log = { info: fail, warn: fail, error: fail };
      return startServiceThread(embeddedServiceSettings(settings), log);
    });
    closings.push(() => result.close());
    const grpc = connectTo(result);
    const accepts = () =>
      grpc.call(generate, imageRequest('a')).then(
        () => true,
        () => false,
      );
    for (const count of [1, 2]) {
      await threads[count - 1]?.terminate();
      await expect.poll(() => threads.length, busy).toBe(count + 1);
      await expect.poll(accepts, busy).toBe(true);
    }
  });
});

describe('a gateway with its service embedded', { timeout: 60_000 }, () => {
  it('lets images that are being made end before it closes, begins no further one, and goes on at the next start', async () => {
    const DATA_DIR = await folder();
    const first = await startGateway({ DATA_DIR, DRAWING_DELAY_MS: '0' });
    const keys = ['1', '2', '3', '4', '5', '6'];
    const create = (gateway: Gateway, key: string, prefer = 'respond-async') =>
      gateway.create({ prompt: 'a cat' }, { 'idempotency-key': key, prefer }).then(jsonOf);
    const ids = await Promise.all(keys.map(async (key) => (await create(first, key))['id']));
    await first.drain(patientLimits({ delayMs: 0, cutAfterMs: 20_000 }));
    const attempts = first.logLines.filter((line) => line.includes('"msg":"attempt"'));
    expect(attempts.length).toBeGreaterThan(0);
    expect(attempts.filter((line) => !line.includes('"outcome":"image"'))).toEqual([]);
    await first.close();
    const second = await startEmbedded({ DATA_DIR });
    const replays = await Promise.all(keys.map((key) => create(second, key, 'wait=40')));
    expect(replays).toEqual(
      ids.map((id) => expect.objectContaining({ id, status: 'succeeded' }) as unknown),
    );
    expect(second.logLines.filter((line) => line.includes('"attempt":2'))).toEqual([]);
  });

  it('begins no image that costs money once it is to stop, waits for the one under way, and said so at the start', async () => {
    const backend = await HttpBackend.listen();
    closings.push(() => backend.close());
    let respond: (() => void) | undefined;
    const { onPost } = backend;
    backend.onPost = (...post) => (respond = () => onPost(...post));
    const gateway = await startGateway({
      ...{ UPSTREAM_ADDRESS: 'embedded', BACKEND_URL: backend.url, BACKEND_SPEND: 'once' },
      ...{ BACKEND_MODEL: 'sd-tiny', DEFAULT_MODEL: 'sd-tiny', BACKEND_CONCURRENCY: '1' },
    });
    for (const prompt of ['a first cat', 'a second cat']) {
      expect((await gateway.create({ prompt })).status).toBe(202);
    }
    await expect.poll(() => backend.posts.length, busy).toBe(1);
    const warnings = gateway.logLines.filter((line) => line.includes('images cost money'));
    expect(warnings.join()).toContain('no longer than SHUTDOWN_TIMEOUT_MS');
    const drained = gateway.drain(patientLimits({ delayMs: 3_000, cutAfterMs: 20_000 }));
    const unready = async () => (await gateway.fetch('/readyz')).status;
    await expect.poll(unready, busy).toBe(503);
    respond?.();
    expect(await drained).toBe(true);
    expect(backend.posts).toHaveLength(1);
    const attempts = gateway.logLines.filter((line) => line.includes('"msg":"attempt"'));
    expect(attempts).toHaveLength(1);
    expect(attempts[0]).toContain('"outcome":"image"');
    await gateway.close();
  });
});
