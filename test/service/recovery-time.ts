import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openDiskImageStore } from '../../src/service/disk-image-store.ts';
import { openLmdbOperationStore } from '../../src/service/lmdb-operation-store.ts';
import { acceptedRecord, dispatch, store, succeed } from '../../src/service/operation-record.ts';
import type { OperationStore } from '../../src/service/operation-store.ts';
import { recordFigure } from '../support/figure.ts';

// npm run test:recovery-time                              10,000 operations kept, 1,000 of them queued
// npm run test:recovery-time -- --kept 100 --queued 10    a small run

const { values } = parseArgs({
  options: {
    kept: { type: 'string', default: '10000' },
    queued: { type: 'string', default: '1000' },
  },
});
const kept = Number(values.kept);
const queued = Number(values.queued);
const goalMs = 2_000;
const imageBytes = 20_000;
/** Under way when the process was killed, as the local drawing has it. */
const dispatched = 2;
const farMs = 3_600_000;
const root = fileURLToPath(new URL('../..', import.meta.url));

const plan = {
  ...{ model: 'yandex-art', prompt: 'a red cat', negativePrompts: [], seed: '7' },
  ...{ width: 1024, height: 1024, mediaType: 'image/png' },
};

/** Adds an operation as a service leaves it that was killed. */
async function add(operations: OperationStore, index: number, until: 'queued' | 'dispatched') {
  const id = `fbv${String(index).padStart(17, '0')}`;
  const times = { nowMs: Date.now(), delayMs: farMs, deadlineMs: farMs };
  await operations.insert(acceptedRecord({ id, owner: '', plan }, times), { queuedMax: 1e6 });
  if (until === 'dispatched') {
    await operations.change(id, dispatch(Date.now(), 'local'), undefined);
  }
  return id;
}

/** What a service leaves that has been in use for days. */
async function fill(directory: string): Promise<void> {
  const operations = await openLmdbOperationStore(join(directory, 'operations'));
  const images = await openDiskImageStore(join(directory, 'images'));
  const bytes = Buffer.alloc(imageBytes, 7);
  const finish = async (index: number) => {
    const id = await add(operations, index, 'dispatched');
    const rendered = { bytes, mediaType: 'image/png', modelVersion: 'test' };
    const image = await images.put(id, 1, rendered);
    await operations.change(id, store(image, Date.now()), undefined);
    await operations.change(id, succeed({ nowMs: Date.now(), keepsPlan: true }), undefined);
  };
  const finished = kept - queued - dispatched;
  const atOnce = 64;
  for (let first = 0; first < finished; first += atOnce) {
    const count = Math.min(atOnce, finished - first);
    await Promise.all(Array.from({ length: count }, (_, index) => finish(first + index)));
  }
  const rest = Array.from({ length: queued + dispatched }, (_, index) =>
    add(operations, finished + index, index < queued ? 'queued' : 'dispatched'),
  );
  await Promise.all(rest);
  await operations.close();
}

/** From the start of the process until it listens, and until all that was unfinished is taken up. */
async function start(directory: string, unfinished: number) {
  const beganMs = performance.now();
  const child = spawn(process.execPath, ['dist/service-main.js'], {
    cwd: root,
    env: { PATH: process.env['PATH'], SERVICE_DIR: directory, SERVICE_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let [left, listeningMs] = [unfinished, Number.NaN];
  await new Promise<void>((resolve, reject) => {
    child.once('exit', () => reject(new Error('the service ended early')));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { msg } = JSON.parse(line) as { msg: string };
      if (msg === 'listening') listeningMs = performance.now() - beganMs;
      if (msg === 'recovered') left -= 1;
      if (left === 0 && !Number.isNaN(listeningMs)) resolve();
    });
  });
  const recoveredMs = performance.now() - beganMs;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
  return { listeningMs, recoveredMs };
}

const [empty, full] = await Promise.all(
  ['empty', 'full'].map((name) => mkdtemp(join(tmpdir(), `recovery-${name}-`))),
);
if (empty === undefined || full === undefined) throw new Error('no folders');
try {
  await fill(full);
  // Once before, so that what both read from the disk is in memory.
  await start(empty, 0);
  const bare = await start(empty, 0);
  const loaded = await start(full, queued + dispatched);
  const tookMs = loaded.recoveredMs - bare.listeningMs;
  const text = (ms: number) => `${ms.toFixed(0)} ms`;
  recordFigure({
    promise: 'P21',
    part: 'recovery',
    says: 'A service with much to take up is soon there again',
    goal: `10,000 operations kept, 1,000 queued: recovery ≤ ${goalMs} ms`,
    seen: `${kept} kept, ${queued} queued, ${dispatched} under way when killed: all taken up ${text(tookMs)} after what an empty service needs to start (listening after ${text(loaded.listeningMs)}, empty ${text(bare.listeningMs)})`,
    isMet: tookMs <= goalMs,
    by: 'npm run test:recovery-time',
  });
  if (tookMs > goalMs) process.exitCode = 1;
} finally {
  for (const directory of [empty, full]) await rm(directory, { recursive: true, force: true });
}
