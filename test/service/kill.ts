import { mkdtemp, rm } from 'node:fs/promises';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { fromBinary } from '@bufbuild/protobuf';
import {
  ImageGenerationAsyncService,
  ImageGenerationResponseSchema,
} from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { OperationService } from '../../src/gen/yandex/cloud/operation/operation_service_pb.ts';
import { recordFigure } from '../support/figure.ts';
import { connectGrpc, type GrpcClient } from '../support/grpc-client.ts';

/** Where the service kills itself. A write inside LMDB can be cut too: `in done` is before its commit. */
const failpoints = [
  ...['before insert', 'after insert', 'in dispatched', 'after dispatched'],
  ...['before image', 'after image', 'in stored', 'after stored', 'in done', 'after done'],
  ...['before take-over', 'after take-over'],
];

const { values } = parseArgs({ options: { kills: { type: 'string', default: '24' } } });
const kills = Number(values.kills);
const root = fileURLToPath(new URL('../..', import.meta.url));
const directory = await mkdtemp(join(tmpdir(), 'service-kill-'));
const port = await freePort();
const address = `http://127.0.0.1:${port}`;
/** Creates of one life of the service: enough for every failpoint to be reached, and drawn quickly. */
const createsPerLife = 8;
const createsAtOnce = 4;
const settleMs = 60_000;

/** Starts the service; it ends by itself at the failpoint. */
async function start(environment: Record<string, string>): Promise<ChildProcess | undefined> {
  const child = spawn(process.execPath, ['test/service/failing-service.mjs'], {
    cwd: root,
    env: {
      ...{ PATH: process.env['PATH'], SERVICE_DIR: directory, SERVICE_PORT: String(port) },
      ...{ DRAWING_DELAY_MS: '0', LOG_LEVEL: 'info', ...environment },
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const listening = new Promise<boolean>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.includes('"listening"')) resolve(true);
    });
    child.once('exit', () => resolve(false));
  });
  return (await listening) ? child : undefined;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: free } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return free;
}

const accepted = new Map<string, string>();
let attempted = 0;

/** Sends creates until the service is gone; remembers what was accepted. */
async function createUntilGone(grpc: GrpcClient, child: ChildProcess): Promise<void> {
  let isGone = child.exitCode !== null || child.signalCode !== null;
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => {
      isGone = true;
      resolve();
    });
    if (isGone) resolve();
  });
  let left = createsPerLife;
  const createOnes = async () => {
    while (!isGone && left > 0) {
      left -= 1;
      attempted += 1;
      const prompt = `cat ${attempted}`;
      try {
        const { id } = await grpc.call(ImageGenerationAsyncService.method.generate, {
          modelUri: 'art://local/yandex-art',
          messages: [{ text: prompt, weight: 1 }],
          generationOptions: { seed: 7n, mimeType: 'image/jpeg' },
        });
        accepted.set(id, prompt);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  };
  await Promise.all(Array.from({ length: createsAtOnce }, createOnes));
  await gone;
}

/** Waits until an operation has ended. @returns What is wrong with it, if anything. */
async function brokenPromise(grpc: GrpcClient, id: string, untilMs: number): Promise<string> {
  for (;;) {
    try {
      const operation = await grpc.call(OperationService.method.get, { operationId: id });
      if (operation.done) {
        if (operation.result.case !== 'response') return `${id} failed`;
        const { image } = fromBinary(ImageGenerationResponseSchema, operation.result.value.value);
        return image[0] === 0xff && image[1] === 0xd8 ? '' : `${id} has no image`;
      }
    } catch (error) {
      return `${id}: ${String(error)}`;
    }
    if (Date.now() > untilMs) return `${id} has not ended`;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

let done = 0;
while (done < kills) {
  const failpoint = failpoints[done % failpoints.length] ?? '';
  const isStart = failpoint.endsWith('take-over');
  const failAt = isStart ? 1 : 1 + (done % 5);
  const child = await start({ FAILPOINT: failpoint, FAIL_AT: String(failAt) });
  done += 1;
  if (child === undefined) continue;
  const grpc = connectGrpc(address);
  const force = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await createUntilGone(grpc, child);
  clearTimeout(force);
  grpc.client.close();
}

const last = await start({});
if (last === undefined) throw new Error('the last service did not start');
const grpc = connectGrpc(address);
const untilMs = Date.now() + settleMs + accepted.size * 400;
const broken: string[] = [];
for (const id of accepted.keys()) {
  const said = await brokenPromise(grpc, id, untilMs);
  if (said !== '') broken.push(said);
}
grpc.client.close();
last.kill('SIGTERM');
await once(last, 'exit');
await rm(directory, { recursive: true, force: true });

for (const said of broken.slice(0, 20)) process.stdout.write(`${said}\n`);
recordFigure({
  promise: 'P21',
  says: 'Accepted work survives the end of the service',
  goal: '1,000 × kill -9 over the failpoints: 0 lost, every operation ends',
  seen: `${kills} × kill -9 over ${failpoints.length} failpoints: ${accepted.size} of ${attempted} creates accepted, ${accepted.size - broken.length} of them ended with an image, ${broken.length} broken`,
  isMet: broken.length === 0 && accepted.size > kills / 2,
  by: `npm run test:service-kill -- --kills ${kills}`,
});
if (broken.length > 0 || accepted.size === 0) process.exitCode = 1;
