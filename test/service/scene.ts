import {
  RendererError,
  type Attempt,
  type FoundWork,
  type RenderedImage,
  type Renderer,
  type RendererErrorOptions,
  type RendererFailure,
  type RenderPlan,
  type SpendClass,
} from '../../src/renderers/renderer.ts';
import type { DispatcherObserver } from '../../src/service/dispatcher-observer.ts';
import type { OperationRecord } from '../../src/service/operation-record.ts';
import { NotAccepted } from '../../src/service/operations.ts';
import { onePixel, stubRenderer } from '../support/stub-renderer.ts';
import { VirtualClock } from '../support/virtual-clock.ts';
import { runService, type RunningService, type RunningServiceOptions } from './running-service.ts';
import { SimulatedDisk } from './simulated-storage.ts';

export const second = 1_000;
export const hour = 3_600 * second;
/** Noon of a day in UTC. */
const noonMs = Date.UTC(2026, 10, 28, 12);

type AttemptReport = Parameters<DispatcherObserver['attemptEnded']>[0];

/** A service with a renderer whose attempts the test answers. */
export class Scene {
  readonly clock = new VirtualClock(noonMs);
  readonly disk = new SimulatedDisk();
  readonly reports: AttemptReport[] = [];
  readonly shuts: (string | undefined)[] = [];
  renders = 0;
  finds = 0;
  probes = 0;
  /** What the next attempts come to; the default makes an image. */
  render: (plan: RenderPlan, attempt: Attempt) => Promise<RenderedImage> = async () => onePixel();
  find: (reference: string) => Promise<FoundWork> = async () => 'lost';
  probe: () => Promise<void> = async () => undefined;
  service!: RunningService;
  readonly #options: Partial<RunningServiceOptions>;
  readonly #renderer: Renderer;

  constructor(spend: SpendClass, options: Partial<RunningServiceOptions> & Partial<Renderer> = {}) {
    const { concurrency = 4, stopsOnAbort = false, delayMs = 0, ...others } = options;
    this.#options = others;
    this.#renderer = {
      ...stubRenderer({ spend, concurrency }),
      ...{ stopsOnAbort, delayMs },
      render: (plan, attempt) => {
        this.renders += 1;
        return this.render(plan, attempt);
      },
      find: (_plan, reference) => {
        this.finds += 1;
        return this.find(reference);
      },
      probe: () => {
        this.probes += 1;
        return this.probe();
      },
    };
  }

  async start(): Promise<this> {
    this.service = runService({
      ...{ clock: this.clock, disk: this.disk, renderer: this.#renderer },
      observer: {
        attemptEnded: (report) => this.reports.push(report),
        backendChanged: (_backend, cause) => this.shuts.push(cause),
      },
      ...this.#options,
    });
    await this.clock.advance(100);
    return this;
  }

  /** As after `kill -9`. */
  async restart(): Promise<void> {
    this.service.process.kill();
    await this.start();
  }

  /** Accepts an operation. @throws NotAccepted */
  async accept(prompt = 'a red cat', mediaType = ''): Promise<string> {
    const request = {
      ...{ modelUri: 'art://folder/stub-1', prompt, negativePrompts: [], seed: 1n },
      ...{ ratio: undefined, mediaType },
    };
    const accepted = this.service.operations.accept(request, '');
    // What is refused is looked at by the test, after the clock has moved.
    accepted.catch(() => undefined);
    await this.clock.advance(20);
    return (await accepted).record.id;
  }

  /** Why a new operation is not accepted. */
  async refusal(): Promise<NotAccepted> {
    const error = await this.accept().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (error instanceof NotAccepted) return error;
    throw new Error('the operation was accepted', { cause: error });
  }

  record(id: string): OperationRecord {
    const record = this.disk.records.get(id);
    if (record === undefined) throw new Error(`there is no operation ${id}`);
    return record;
  }

  /** The end of an operation: `image`, or the code of its failure; undefined while it goes on. */
  end(id: string): 'image' | number | undefined {
    const { state, failure } = this.record(id);
    return state === 'done' ? (failure?.code ?? 'image') : undefined;
  }
}

/** A renderer's response that is a failure. */
export const failing =
  (failure: RendererFailure, options: RendererErrorOptions = {}, words = 'no') =>
  async (): Promise<never> => {
    throw new RendererError(failure, words, options);
  };

/** No response at all. */
export const never = () => new Promise<never>(() => undefined);
