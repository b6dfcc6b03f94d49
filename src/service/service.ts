import { join, resolve } from 'node:path';
import type { Clock } from '../clock/clock.ts';
import { makeFolders } from '../files/make-folders.ts';
import { watchPresence, type Presence } from '../files/presence.ts';
import { listen, type ServerTls } from '../rpc/listen.ts';
import type { Renderer } from '../renderers/renderer.ts';
import type { CallAuthenticator } from './api-keys.ts';
import { openDiskImageStore } from './disk-image-store.ts';
import { diskReserve } from './disk-reserve.ts';
import { Dispatcher } from './dispatcher.ts';
import type { DispatcherObserver } from './dispatcher-observer.ts';
import type { FinishImage } from './finishing.ts';
import type { ImageStore } from './image-store.ts';
import { serviceServer, shutDown } from './grpc-server.ts';
import { openLmdbOperationStore } from './lmdb-operation-store.ts';
import type { OperationStore } from './operation-store.ts';
import { ServiceOperations } from './operations.ts';
import { isProcessRunning, machineName, Ownership } from './ownership.ts';
import { Retention } from './retention.ts';
import { serviceLevels, type ServiceLevels } from './service-levels.ts';

export interface ServiceOptions {
  /** Where operations and images are kept. */
  readonly directory: string;
  readonly renderer: Renderer;
  readonly authenticator: CallAuthenticator;
  readonly clock: Clock;
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly tls?: ServerTls | undefined;
  readonly queuedMax: number;
  readonly deadlineMs: number;
  readonly retentionMs: number;
  readonly imagesBytesMax: number;
  readonly imageBytesMax: number;
  /** Images that the backend may make on one day, in UTC. */
  readonly imagesPerDayMax?: number | undefined;
  readonly observer: ServiceObserver;
  /** What an image goes through after it is kept, and before callers get it. */
  readonly finish?: FinishImage;
  /** Stand between the service and its files: the places to watch or to disturb them. */
  readonly throughStore?: (store: OperationStore) => OperationStore;
  readonly throughImages?: (images: ImageStore) => ImageStore;
}

/** Called as things happen; must be quick and may not throw. */
export interface ServiceObserver extends DispatcherObserver {
  /** This process dispatches from now on, or no longer does. */
  ownershipChanged(owns: boolean): void;
}

/** A running service. */
export interface Service {
  levels(): ServiceLevels;
  /** Where it listens. */
  readonly port: number;
  /** Identity of its store. */
  readonly storeId: string;
  readonly renderer: Pick<Renderer, 'name' | 'spend'>;
  /**
   * Begins nothing more, and lets attempts under way end within the grace; all
   * calls are served meanwhile, and after it. What is unfinished goes on when a
   * service is opened on the directory again.
   */
  drain(graceMs: number): Promise<void>;
  /** Drains, unless that was done, and closes. */
  close(graceMs: number): Promise<void>;
}

/**
 * Opens the service on its directory and listens.
 *
 * @throws Error when the directory can't be used or the port is taken.
 */
export async function openService(options: ServiceOptions): Promise<Service> {
  const { directory, renderer, clock, observer } = options;
  const failed = (error: unknown) => observer.failed(error);
  await makeFolders(resolve(directory)).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`SERVICE_DIR: the folder ${directory} cannot be made (${error.code})`);
  });
  const openedStore = await openLmdbOperationStore(join(directory, 'operations'));
  const store = options.throughStore?.(openedStore) ?? openedStore;
  const openedImages = await openDiskImageStore(join(directory, 'images'));
  const images = options.throughImages?.(openedImages) ?? openedImages;
  const presence = presenceOf(directory, failed);
  const reserveBytes = renderer.concurrency * options.imageBytesMax;
  const reserve = diskReserve(directory, reserveBytes, presence.isThere);
  const dispatcher = new Dispatcher({
    ...{ store, images, reserve, renderer, clock, observer },
    ...{ imagesPerDayMax: options.imagesPerDayMax, finish: options.finish },
  });
  const ownership = ownershipOf(dispatcher, { store, clock, observer });
  const operations = new ServiceOperations({
    ...{ store, images, renderer, dispatcher, clock },
    limits: options,
    isStoreThere: presence.isThere,
  });
  const retention = new Retention({
    ...{ store, images, clock, failed },
    retentionMs: options.retentionMs,
    imagesBytesMax: options.imagesBytesMax,
    owns: () => ownership.epoch !== undefined,
  });
  const server = serviceServer({
    operations,
    storeId: store.id,
    get models() {
      return renderer.models;
    },
    authenticator: options.authenticator,
    failed,
    isServing: () => operations.isAccepting,
    backends: { [renderer.name]: () => dispatcher.shutCause === undefined },
  });
  const port = await listen(server, `${inUrl(options.host)}:${options.port}`, options.tls);
  await ownership.start();
  retention.start();
  let drained: Promise<void> | undefined;
  const drain = (graceMs: number) => {
    retention.stop();
    return (drained ??= dispatcher.stop(graceMs));
  };
  return {
    port,
    storeId: store.id,
    renderer,
    drain,
    levels: () =>
      serviceLevels({ store, images, reserve, dispatcher, ownership, clock, limits: options }),
    async close(graceMs) {
      await drain(graceMs);
      operations.stopAccepting();
      presence.close();
      await ownership.stop();
      await shutDown(server);
      await renderer.close();
      await store.close();
    },
  };
}

/** Decides when the dispatcher begins, and when another process has taken over. */
function ownershipOf(
  dispatcher: Dispatcher,
  {
    store,
    clock,
    observer,
  }: Pick<ServiceOptions, 'clock' | 'observer'> & { store: OperationStore },
): Ownership {
  return new Ownership({
    store,
    clock,
    machineMs: () => Number(process.hrtime.bigint() / 1_000_000n),
    processName: machineName(),
    pid: process.pid,
    isRunning: isProcessRunning,
    taken: (epoch) => {
      observer.ownershipChanged(true);
      dispatcher.begin(epoch).catch((error: unknown) => observer.failed(error));
    },
    lost: () => {
      observer.ownershipChanged(false);
      dispatcher.lose();
    },
  });
}

/** Tells whether what is kept will be there for the next process, and says once when not. */
function presenceOf(directory: string, failed: (error: Error) => void): Presence {
  const paths = [join(directory, 'operations', 'data.mdb'), join(directory, 'images')];
  const text = `SERVICE_DIR: ${directory} was removed or replaced while the service runs; nothing new is accepted, as it would be lost: put it back, or restart the service`;
  return watchPresence(paths, () => failed(new Error(text)));
}

function inUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
