/**
 * Thousands of slow and silent clients at once against a built gateway: each is
 * cut within its limit, and every other client is served meanwhile.
 *
 *     npm run test:edge -- [--connections N]
 */
import { toBinary } from '@bufbuild/protobuf';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { residentKib } from '../../bench/child.ts';
import { OperationSchema } from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { runningOperation, succeededOperation, tinyPng } from '../support/fake-upstream.ts';
import { GatewayProcess } from '../fleet/gateway-process.ts';
import { recordFigure } from '../support/figure.ts';
import * as raw from '../support/raw-responses.ts';
import { startRawUpstream } from '../support/raw-upstream.ts';
import { PacedReader } from './paced-reader.ts';
import { SlowCrowd } from './slow-crowd.ts';

const { values } = parseArgs({ options: { connections: { type: 'string', default: '5000' } } });
const connections = Number(values.connections);
/** Connections are looked at every second; the rest is for a machine that is busy with other things. */
const slackMs = 5_000;
/** Bounds are looked at once a second: as exact as they can be kept. */
const sweepMs = 1_000;
const limitMs = 30_000;
const ordinaryP99MsMax = 1_000;
/** More than a reader's kernel takes for it, and little enough for thousands of kernels' buffers. */
const crowdImageBytes = 512 * 1_024;
/** More than the gateway's kernel takes at once, so that the rest waits in the gateway. */
const largeImageBytes = 8 * 1_048_576;
const steadyBytesPerSecond = 65_536;

refuseFewDescriptors(connections + 200);

const upstream = await startRawUpstream();
const dataDirectory = await mkdtemp(join(tmpdir(), 'gateway-edge-'));
const gateway = await GatewayProcess.start('dist/main.js', {
  UPSTREAM_ADDRESS: upstream.address,
  UPSTREAM_POLL_INTERVAL_MS: '50',
  DATA_DIR: dataDirectory,
});
const { origin } = gateway;
const crowdPath = await imagePath('crowd', crowdImageBytes);
const largePath = await imagePath('large', largeImageBytes);
const eventsPath = await runningPath();
const before = { kib: residentKib(gateway.pid).now, descriptors: descriptorsOf(gateway.pid) };

// Slow, but faster than the limit: to be left alone for longer than the window, and served to the end.
const steady = [1, 2].map(
  () => new PacedReader(origin, { path: largePath, bytesPerSecond: steadyBytesPerSecond }),
);
const idle = new PacedReader(origin, { path: eventsPath, bytesPerSecond: Infinity });

const crowd = new SlowCrowd(origin, { imagePath: crowdPath });
let isOver = false;
const ordinary = callOrdinarily();
for (let index = 0; index < connections; index += 1) {
  crowd.add(index);
  if (index % 200 === 199) await allAccepted();
}
const lives = await crowd.ended(limitMs);
isOver = true;
const { latenciesMs, failures } = await ordinary;
const isSteadyAlive = steady.every((reader) => !reader.isGone);
const isIdleAlive = !idle.isGone;
const largestKib = residentKib(gateway.pid).peak;
for (const reader of steady) reader.bytesPerSecond = Number.POSITIVE_INFINITY;
await Promise.all(steady.map((reader) => reader.until(largeImageBytes)));
const isSteadyWhole = steady.every(({ bytes }) => bytes > largeImageBytes);
for (const reader of [...steady, idle]) reader.close();
const left = await descriptorsLeft();
const after = residentKib(gateway.pid).now;
const spent = upstream.spent;

await gateway.stop();
await upstream.close();
await rm(dataDirectory, { recursive: true, force: true });

report();

/**
 * Connections are accepted in the order in which they came, so this request gets
 * its response after all of them were accepted. More than the listening socket's queue holds
 * would look connected from here while the gateway has not heard of them.
 */
async function allAccepted(): Promise<void> {
  await (await fetch(`${origin}/livez`, { headers: { connection: 'close' } })).arrayBuffer();
}

/** A create and its image, read once so that the gateway holds it. */
async function imagePath(id: string, bytes: number): Promise<string> {
  const image = Buffer.concat([tinyPng, Buffer.alloc(bytes - tinyPng.length, 1)]);
  upstream.on('Generate', raw.ok(toBinary(OperationSchema, runningOperation(id))));
  upstream.on('Get', raw.ok(toBinary(OperationSchema, succeededOperation(id, image))));
  const path = `/operations/${await createdId()}/image`;
  const response = await fetch(`${origin}${path}?wait=20`);
  const { byteLength } = await response.arrayBuffer();
  if (byteLength !== bytes) throw new Error(`${response.status}: ${byteLength} of ${bytes} bytes`);
  return path;
}

/** The events of an operation that never ends. */
async function runningPath(): Promise<string> {
  const running = raw.ok(toBinary(OperationSchema, runningOperation('idle')));
  upstream.on('Generate', running);
  upstream.on('Get', running);
  return `/operations/${await createdId()}/events`;
}

async function createdId(): Promise<string> {
  const response = await fetch(`${origin}/v1/images`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"prompt":"a red cat"}',
  });
  return ((await response.json()) as { id: string }).id;
}

/** An ordinary client at the same time: fetches an image and the health, one after the other. */
async function callOrdinarily(): Promise<{ latenciesMs: readonly number[]; failures: number }> {
  const latenciesMs: number[] = [];
  let failures = 0;
  while (!isOver) {
    for (const path of ['/livez', crowdPath]) {
      const startMs = performance.now();
      try {
        // Kept alive, it would be counted among those that are left.
        const headers = { connection: 'close' };
        const response = await fetch(`${origin}${path}`, { headers });
        await response.arrayBuffer();
        if (response.status !== 200) failures += 1;
      } catch {
        failures += 1;
      }
      latenciesMs.push(performance.now() - startMs);
    }
    await sleep(20);
  }
  return { latenciesMs, failures };
}

function report(): void {
  const faults: string[] = [];
  const lines = lives.map(({ kind, boundMs, livedMs, early }) => {
    const longestMs = Math.max(...livedMs);
    if (!(longestMs <= boundMs + slackMs)) faults.push(`${kind} lived ${longestMs} ms`);
    if (early > 0) faults.push(`${early} ${kind} were gone before ${boundMs} ms`);
    return `${livedMs.length} ${kind} ≤ ${(longestMs / 1_000).toFixed(1)} s`;
  });
  const isExact = lives.every(({ boundMs, livedMs }) => Math.max(...livedMs) <= boundMs + sweepMs);
  const p99Ms = latenciesMs.toSorted((a, b) => a - b)[Math.floor(latenciesMs.length * 0.99)] ?? NaN;
  if (!(p99Ms < ordinaryP99MsMax)) faults.push(`the p99 of ordinary callers is ${p99Ms} ms`);
  if (failures > 0) faults.push(`${failures} ordinary requests failed`);
  if (left > 0) faults.push(`${left} connections are left`);
  if (!isSteadyAlive) faults.push(`a reader at ${steadyBytesPerSecond} bytes a second was cut`);
  if (!isSteadyWhole) faults.push('a reader above the limit did not get its whole image');
  if (!isIdleAlive) faults.push('an idle event stream was cut');
  if (spent !== 3) faults.push(`${spent} creates were paid for in place of 3`);
  const mib = (kib: number) => Math.round(kib / 1_024);
  const seen = [
    `${connections} at once on two processes: ${lines.join(', ')}`,
    `${left} connections left`,
    `${latenciesMs.length} ordinary requests meanwhile, ${failures} failed, p99 ${Math.round(p99Ms)} ms`,
    `a reader at 64 KiB/s and an idle event stream ${isSteadyWhole && isIdleAlive ? 'were left alone' : 'were cut'}`,
    `RSS ${mib(before.kib)} MiB before, ${mib(largestKib)} at most, ${mib(after)} after`,
  ].join('; ');
  const figure = {
    promise: 'P13',
    says: 'Slow and silent clients are cut',
    goal: 'headers ≤ 5 s, body ≤ 10 s, silence ≤ 5 s, reading ≥ 32 KiB/s over 10 s, each looked at once a second; 5,000 slow connections of 4 kinds',
    seen,
    isMet: faults.length === 0 && isExact,
    by: 'npm run test:edge',
  } as const;
  if (connections >= 5_000) recordFigure(figure);
  else process.stdout.write(`${faults.length === 0 ? 'met' : 'MISSED'}: ${seen}\n`);
  for (const fault of faults) process.stderr.write(`${fault}\n`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}

function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Those of the gateway above what it had before; closing takes it a moment. */
async function descriptorsLeft(): Promise<number> {
  for (let tries = 0; tries < 50 && descriptorsOf(gateway.pid) > before.descriptors; tries += 1) {
    await sleep(100);
  }
  return Math.max(0, descriptorsOf(gateway.pid) - before.descriptors);
}

/** Node raises its own limit as far as it may; this is that. */
function refuseFewDescriptors(needed: number): void {
  const { userLimits } = process.report.getReport() as unknown as {
    readonly userLimits: { readonly open_files: { readonly soft: number | 'unlimited' } };
  };
  const { soft } = userLimits.open_files;
  if (soft === 'unlimited' || soft >= needed) return;
  process.stderr.write(
    `${needed} file descriptors are needed and ${soft} allowed: raise the hard limit (ulimit -Hn), or ask for fewer with --connections\n`,
  );
  process.exit(2);
}
