import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ImageGenerationAsyncService } from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { OperationService } from '../../src/gen/yandex/cloud/operation/operation_service_pb.ts';
import { openDiskImageStore } from '../../src/service/disk-image-store.ts';
import { connectGrpc } from '../support/grpc-client.ts';
import { serviceCommand, startServiceProcess, type ServiceProcess } from './service-process.ts';

const { generate } = ImageGenerationAsyncService.method;
const { get } = OperationService.method;
const prompt = 'SECRET prompt of the caller';
const request = {
  modelUri: 'art://folder/yandex-art/latest',
  messages: [{ text: prompt, weight: 1 }],
};
const busy = { timeout: 30_000, interval: 100 };

let directory = '';
const closings: (() => unknown)[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'service-command-'));
  closings.push(() => rm(directory, { recursive: true, force: true }));
});
afterEach(async () => {
  for (const close of closings.splice(0).toReversed()) await close();
});

async function start(environment: Record<string, string> = {}): Promise<ServiceProcess> {
  const service = await startServiceProcess({ DATA_DIR: directory, ...environment });
  closings.push(() => service.end('SIGKILL'));
  return service;
}

const command = (...args: string[]) => serviceCommand(args, { DATA_DIR: directory });

async function listed(...args: string[]): Promise<readonly { readonly id: string }[]> {
  const { output, errors } = await command('operations', ...args, '--json');
  expect(errors).toBe('');
  const lines = output.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line));
}

/** A paid model that takes a request, and resets the connection or says nothing. */
async function startLosingModel(isSilent: boolean) {
  let creates = 0;
  const server = createServer((incoming, response) => {
    if (incoming.method === 'GET') {
      response.setHeader('content-type', 'application/json');
      return response.end(JSON.stringify({ object: 'list', data: [{ id: 'm' }] }));
    }
    creates += 1;
    return isSilent ? undefined : incoming.socket.resetAndDestroy();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closings.push(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const environment = { BACKEND_URL: `http://127.0.0.1:${port}`, BACKEND_SPEND: 'once' };
  return { environment, creates: () => creates };
}

function clientOf({ address }: ServiceProcess) {
  const grpc = connectGrpc(address);
  closings.push(() => grpc.client.close());
  return {
    create: () => grpc.call(generate, request),
    isDone: async (id: string) => (await grpc.call(get, { operationId: id })).done,
  };
}

describe('npm run service -- operations', () => {
  it('lists what got lost while it was paid for, as the metrics and the log tell it', async () => {
    const model = await startLosingModel(false);
    const service = await start(model.environment);
    const client = clientOf(service);
    const { id } = await client.create();
    await expect.poll(() => client.isDone(id), busy).toBe(true);
    expect(await listed('--unknown')).toMatchObject([{ id, backend: 'openai', attempts: 1 }]);
    const { output } = await command('operations', '--unknown');
    expect(output).toMatch(/^ID +STATE/);
    expect(output.includes(id) && output.endsWith('1 line\n')).toBe(true);
    const scrape = await service.metrics();
    expect(scrape.sum('spent_unknown_total', { cause: 'reset' })).toBe(1);
    expect(scrape.sum('spent_total')).toBe(1);
    expect(model.creates()).toBe(1);
    await service.end('SIGTERM');
    expect(await listed('--unknown')).toMatchObject([{ id }]);
    const attempts = service.lines.filter((line) => line.includes('"attempt"'));
    expect(attempts.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { operationId: id, attempt: 1, outcome: 'unknown', spent: 'unknown', lossCause: 'reset' },
    ]);
    expect(`${output}${service.lines.join('')}`).not.toContain(prompt);
  });

  it('lists what a kill left unknown, from the next start on', async () => {
    const model = await startLosingModel(true);
    const first = await start(model.environment);
    const { id } = await clientOf(first).create();
    await expect.poll(() => model.creates(), busy).toBe(1);
    expect(await listed()).toMatchObject([{ id, state: 'dispatched' }]);
    await first.end('SIGKILL');
    const second = await start(model.environment);
    await expect
      .poll(
        async () => (await second.metrics()).sum('spent_unknown_total', { cause: 'crash' }),
        busy,
      )
      .toBe(1);
    expect(await listed('--unknown')).toMatchObject([{ id, state: 'done' }]);
    expect(model.creates()).toBe(1);
  });

  it('lists images that came too late, with the id that their bill has', async () => {
    const service = await start({ DRAWING_DELAY_MS: '0' });
    const client = clientOf(service);
    const { id } = await client.create();
    await expect.poll(() => client.isDone(id), busy).toBe(true);
    await service.end('SIGTERM');
    expect(await listed('--late')).toStrictEqual([]);
    const images = await openDiskImageStore(join(directory, 'service', 'images'));
    const facts = { mediaType: 'image/png', modelVersion: 'm', requestId: 'req-7' };
    await images.put(id, 9, { ...facts, bytes: Buffer.from('an image') });
    expect(await listed('--late')).toMatchObject([{ id, bytes: 8, requestId: 'req-7' }]);
  });
});

describe('npm run service -- pause', () => {
  it('holds the backend of a running service, until it is resumed', async () => {
    const service = await start({ DRAWING_DELAY_MS: '2000' });
    const client = clientOf(service);
    const { id } = await client.create();
    expect((await command('pause')).output).toBe('every backend is paused\n');
    await expect(client.create()).rejects.toThrow('can not be used for now');
    await expect
      .poll(async () => (await service.metrics()).sum('service_queue_age_seconds'), busy)
      .toBeGreaterThan(1);
    expect(await client.isDone(id)).toBe(false);
    expect((await command('operations')).output).toContain('every backend is paused');
    expect((await service.metrics()).sum('backend_paused')).toBe(1);
    expect((await command('resume')).output).toBe('no backend is paused\n');
    await expect.poll(() => client.isDone(id), busy).toBe(true);
    expect(service.lines.join('\n')).toMatch(/"shutCause":"paused"[^]*"backend open"/);
  });

  it('outlives the process, and takes the name of one backend', async () => {
    await (await start()).end('SIGTERM');
    expect((await command('pause', 'local')).output).toBe('paused: local\n');
    const client = clientOf(await start());
    await expect(client.create()).rejects.toThrow('can not be used for now');
    await command('resume', 'local');
    expect((await client.create()).id).toMatch(/^fbv/);
  });
});

describe('the command', () => {
  it('says what is wrong with its arguments, and where the data should be', async () => {
    const codes = [
      await command('paus'),
      await command('pause', 'opneai'),
      await command('operations', '--unknown', '--late'),
      await command('operations', '--all'),
      await command('pause', '--json'),
    ];
    expect(codes.map(({ code }) => code)).toStrictEqual([2, 2, 2, 2, 2]);
    expect(codes[1]?.errors).toContain('opneai is no backend: local or openai');
    const { code, errors } = await command('operations');
    expect(code).toBe(1);
    expect(errors).toMatch(/no data of a service in .*: set SERVICE_DIR or DATA_DIR/);
    expect((await command('--help')).output).toContain('usage: npm run service');
  });
});
