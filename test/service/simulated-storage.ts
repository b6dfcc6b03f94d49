import { createHash } from 'node:crypto';
import type { RenderedImage } from '../../src/renderers/renderer.ts';
import type { ImageName, ImageStore } from '../../src/service/image-store.ts';
import type { KeyRow } from '../../src/service/operation-key.ts';
import type { OperationRecord, StoredImage } from '../../src/service/operation-record.ts';
import type { OperationStore, OwnerRow } from '../../src/service/operation-store.ts';
import type { SimulatedProcess } from './simulated-process.ts';

/** What outlives processes: a disk. */
export class SimulatedDisk {
  readonly records = new Map<string, OperationRecord>();
  readonly images = new Map<string, RenderedImage>();
  /** Images counted by backend and day. */
  readonly spent = new Map<string, number>();
  readonly keys = new Map<string, KeyRow>();
  owner: OwnerRow | undefined;
  isFull = false;
}

/** Decides, before and after each write, whether the process ends there. */
export type CrashPoint = (name: string) => boolean;

/** The disk as one process sees it. Records are written whole or not at all. */
export function simulatedStorage(
  disk: SimulatedDisk,
  process: SimulatedProcess,
  crashes: CrashPoint,
): { readonly store: OperationStore; readonly images: ImageStore } {
  const write = async <Result>(name: string, work: () => Result): Promise<Result> => {
    await process.live(undefined);
    if (crashes(`before ${name}`)) process.kill();
    await process.live(undefined);
    if (disk.isFull) throw Object.assign(new Error('No space left on device'), { code: 'ENOSPC' });
    const result = work();
    if (crashes(`after ${name}`)) process.kill();
    return process.live(result);
  };
  const unfinished = () => [...disk.records.values()].filter(({ state }) => state !== 'done');
  const store: OperationStore = {
    id: 'simulated',
    insert: (record, { queuedMax }, key) =>
      write('insert', () => {
        const known = key && disk.keys.get(key.hash);
        if (known !== undefined) return known;
        if (store.counts.queued >= queuedMax) return 'queue_full';
        disk.records.set(record.id, record);
        const { id: operationId, acceptedAtMs: atMs } = record;
        if (key) disk.keys.set(key.hash, { operationId, fingerprint: key.fingerprint, atMs });
        return 'inserted';
      }),
    ...simulatedKeys(disk, write),
    get: (id) => disk.records.get(id),
    change: (id, change, epoch, spent) =>
      write('change', () => {
        if (epoch !== undefined && disk.owner?.epoch !== epoch) return undefined;
        const counted = spent === undefined ? 0 : store.spentOn(spent.backend, spent.day);
        if (spent?.by === 1 && counted >= spent.max) return undefined;
        const before = disk.records.get(id);
        const after = before && change(before);
        if (after === undefined) return undefined;
        disk.records.set(id, after);
        if (spent !== undefined)
          disk.spent.set(`${spent.backend} ${spent.day}`, counted + spent.by);
        return after;
      }),
    spentOn: (backend, day) => disk.spent.get(`${backend} ${day}`) ?? 0,
    unfinished,
    get counts() {
      const records = unfinished();
      return {
        queued: records.filter(({ state }) => state === 'queued').length,
        unfinished: records.length,
        ended: disk.records.size - records.length,
      };
    },
    ...{ paused: [], lost: {} },
    isPaused: () => false,
    setPaused: () => Promise.resolve(),
    *ended(endedBeforeMs) {
      for (const record of disk.records.values()) {
        if (record.state === 'done' && record.modifiedAtMs < endedBeforeMs) yield record;
      }
    },
    remove: (ids) =>
      write('remove', () => {
        for (const id of ids) disk.records.delete(id);
      }),
    ...simulatedOwnership(disk, write),
    close: () => Promise.resolve(),
  };
  return { store, images: simulatedImages(disk, process, write) };
}

type Write = <Result>(name: string, work: () => Result) => Promise<Result>;

function simulatedOwnership(
  disk: SimulatedDisk,
  write: Write,
): Pick<OperationStore, 'takeOwnership' | 'heartbeat' | 'giveUpOwnership'> {
  return {
    takeOwnership: (owner, isOver) =>
      write('take ownership', () => {
        if (disk.owner !== undefined && !isOver(disk.owner)) return undefined;
        const epoch = (disk.owner?.epoch ?? 0) + 1;
        disk.owner = { ...owner, epoch };
        return epoch;
      }),
    heartbeat: (epoch, heartbeatMs) =>
      write('heartbeat', () => {
        if (disk.owner?.epoch !== epoch) return false;
        disk.owner = { ...disk.owner, heartbeatMs };
        return true;
      }),
    giveUpOwnership: () => write('give up', () => undefined),
  };
}

function simulatedKeys(
  disk: SimulatedDisk,
  write: Write,
): Pick<OperationStore, 'keyRow' | 'settleKey' | 'removeKeys'> {
  return {
    keyRow: (hash) => disk.keys.get(hash),
    settleKey: (hash, nowMs) =>
      write('settle', () => {
        const row = disk.keys.get(hash) ?? { fingerprint: '', atMs: nowMs };
        disk.keys.set(hash, row);
        return row;
      }),
    removeKeys: () => Promise.resolve(0),
  };
}

function simulatedImages(disk: SimulatedDisk, process: SimulatedProcess, write: Write): ImageStore {
  return {
    bytesHeld: 0,
    put: (id, fence, image, form = 'own') =>
      write(form === 'own' ? 'image' : 'finished image', () => {
        const own: ImageName = form === 'own' ? { fence } : { fence, isFinished: true };
        const name = imageName(id, own);
        if (!disk.images.has(name)) disk.images.set(name, image);
        return { ...storedImage(fence, disk.images.get(name) ?? image), ...own };
      }),
    get: (id, image) => {
      const there = disk.images.get(imageName(id, image));
      return process.live(there && Buffer.from(there.bytes));
    },
    find: (id, fence) => {
      const there = disk.images.get(`${id}.${fence}`);
      return process.live(there && storedImage(fence, there));
    },
    delete: (id, image) =>
      write('delete image', () => {
        disk.images.delete(imageName(id, image));
      }),
    deleteStrays: () => Promise.resolve(0),
  };
}

/** Of the file on the simulated disk. */
export function imageName(id: string, { fence, isFinished }: ImageName): string {
  return `${id}.${fence}${isFinished === true ? '.finished' : ''}`;
}

function storedImage(fence: number, { bytes, ...facts }: RenderedImage): StoredImage {
  const sha256 = createHash('sha256').update(bytes).digest('base64url');
  return { fence, byteLength: bytes.byteLength, sha256, facts };
}
