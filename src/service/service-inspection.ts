import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { imageFilesIn } from './disk-image-store.ts';
import { imageFromFile } from './image-file.ts';
import { openLmdbOperationStore } from './lmdb-operation-store.ts';
import type { OperationRecord } from './operation-record.ts';

/** An operation as an operator sees it: never its prompt. */
export interface ShownOperation {
  readonly id: string;
  readonly state: OperationRecord['state'];
  readonly owner: string;
  readonly accepted: string;
  /** Of its last change: an ended one ended then. */
  readonly changed: string;
  readonly attempts: number;
  readonly backend?: string | undefined;
}

/** An image that came when its operation had ended. */
export interface LateImage {
  readonly id: string;
  readonly file: string;
  readonly bytes: number;
  readonly kept: string;
  /** The backend's own id of the request, to find it in a bill. */
  readonly requestId?: string | undefined;
}

/** The data of a service for its operator, beside a running service or without one. */
export interface ServiceInspection {
  /** What has not ended, oldest first. */
  unfinished(): readonly ShownOperation[];
  /** Operations of which no one can tell whether their image was paid for, oldest first. */
  unknown(): readonly ShownOperation[];
  late(): Promise<readonly LateImage[]>;
  /** Backends that are paused; `*` for all of them. */
  readonly paused: readonly string[];
  /** No name means all of them. */
  setPaused(isPaused: boolean, backend: string | undefined): Promise<void>;
  close(): Promise<void>;
}

/** @throws Error when there is no data of a service in the folder, or it can't be read. */
export async function inspectService(directory: string): Promise<ServiceInspection> {
  const operations = join(directory, 'operations');
  await stat(operations).catch((error: unknown) => {
    throw new Error(
      `there is no data of a service in ${directory}: set SERVICE_DIR or DATA_DIR as the service has it`,
      { cause: error },
    );
  });
  const store = await openLmdbOperationStore(operations);
  return {
    unfinished: () => store.unfinished().map(shown),
    unknown: () =>
      [...store.ended(Number.MAX_SAFE_INTEGER)]
        .filter(({ failure }) => failure?.reason === 'OUTCOME_UNKNOWN')
        .map(shown),
    async late() {
      const found: LateImage[] = [];
      for await (const { id, name, path } of imageFilesIn(join(directory, 'images'))) {
        const record = store.get(id);
        if (record?.state !== 'done' || record.image?.fence === name.fence) continue;
        const file = await readFile(path).catch(() => undefined);
        const image = file && imageFromFile(name, file);
        if (image === undefined) continue;
        const { mtime } = await stat(path);
        found.push({
          ...{ id, file: path, bytes: image.bytes.byteLength, kept: textOf(mtime.getTime()) },
          requestId: image.stored.facts?.requestId,
        });
      }
      return found;
    },
    get paused() {
      return store.paused;
    },
    setPaused: (isPaused, backend) => store.setPaused(isPaused, backend),
    close: () => store.close(),
  };
}

function shown(record: OperationRecord): ShownOperation {
  const { id, state, owner, attempts, backend } = record;
  return {
    ...{ id, state, owner, attempts, backend },
    accepted: textOf(record.acceptedAtMs),
    changed: textOf(record.modifiedAtMs),
  };
}

function textOf(ms: number): string {
  return new Date(ms).toISOString();
}
