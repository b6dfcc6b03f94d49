import type { FoundWork, Renderer } from '../../src/renderers/renderer.ts';
import { Dispatcher } from '../../src/service/dispatcher.ts';
import type { DispatcherObserver } from '../../src/service/dispatcher-observer.ts';
import type { FinishImage } from '../../src/service/finishing.ts';
import { ServiceOperations } from '../../src/service/operations.ts';
import { Ownership } from '../../src/service/ownership.ts';
import type { VirtualClock } from '../support/virtual-clock.ts';
import { SimulatedProcess } from './simulated-process.ts';
import { simulatedStorage, type CrashPoint, type SimulatedDisk } from './simulated-storage.ts';

/** The core of a service in a process and on a disk that are simulated. */
export interface RunningService {
  readonly process: SimulatedProcess;
  readonly pid: number;
  readonly operations: ServiceOperations;
  readonly dispatcher: Dispatcher;
  /** Ends as by SIGTERM. */
  stop(graceMs: number): Promise<void>;
}

export interface RunningServiceOptions {
  readonly clock: VirtualClock;
  readonly disk: SimulatedDisk;
  readonly renderer: Renderer;
  readonly crashes?: CrashPoint;
  readonly isRunning?: (pid: number) => boolean;
  readonly pid?: number;
  readonly deadlineMs?: number;
  readonly imagesPerDayMax?: number | undefined;
  readonly finish?: FinishImage | undefined;
  readonly observer?: Partial<DispatcherObserver>;
}

const nothing = () => undefined;

/** Starts one; it owns the disk when no other process does. */
export function runService(options: RunningServiceOptions): RunningService {
  const { disk, pid = 1, imagesPerDayMax, finish, deadlineMs = 3_600_000 } = options;
  const { isRunning = () => false, crashes = () => false } = options;
  const process = new SimulatedProcess(options.clock);
  const { clock } = process;
  const { store, images } = simulatedStorage(disk, process, crashes);
  const reserve = {
    isMissing: false,
    ensure: () => process.live(!disk.isFull),
    release: () => process.live(undefined),
  };
  const renderer = reached(options.renderer, process);
  const observer = {
    ...{ attemptEnded: nothing, recovered: nothing, late: nothing, writeFailed: nothing },
    ...{ failed: nothing, backendChanged: nothing, dispatched: nothing },
    ...options.observer,
  };
  const dispatcher = new Dispatcher({
    ...{ store, images, reserve, renderer, clock, observer, imagesPerDayMax, finish },
  });
  const ownership = new Ownership({
    ...{ store, clock, pid, isRunning, processName: 'machine' },
    machineMs: () => clock.elapsedMs(),
    taken: (epoch) => void dispatcher.begin(epoch),
    lost: () => dispatcher.lose(),
  });
  void ownership.start();
  const limits = { queuedMax: 1_000, deadlineMs, imagesBytesMax: Infinity };
  const operations = new ServiceOperations({
    ...{ store, images, renderer, dispatcher, clock, limits },
  });
  return {
    ...{ process, pid, operations, dispatcher },
    async stop(graceMs) {
      operations.stopAccepting();
      await dispatcher.stop(graceMs);
      await ownership.stop();
      process.kill();
    },
  };
}

/** What the renderer returns reaches this process only while it lives. */
function reached(renderer: Renderer, process: SimulatedProcess): Renderer {
  const reach =
    <Input extends readonly unknown[], Result>(ask: (...input: Input) => Promise<Result>) =>
    async (...input: Input): Promise<Result> => {
      await process.live(undefined);
      try {
        const result = await ask(...input);
        return await process.live(result);
      } catch (error) {
        await process.live(undefined);
        throw error;
      }
    };
  return {
    ...renderer,
    render: reach((plan, attempt) => renderer.render(plan, attempt)),
    probe: reach(() => renderer.probe()),
    ...(renderer.find !== undefined && {
      find: reach<Parameters<NonNullable<Renderer['find']>>, FoundWork>(
        async (plan, reference, attempt) =>
          (await renderer.find?.(plan, reference, attempt)) ?? 'lost',
      ),
    }),
  };
}
