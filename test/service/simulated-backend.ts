import {
  RendererError,
  type Attempt,
  type FoundWork,
  type RenderedImage,
  type Renderer,
  type RenderPlan,
  type SpendClass,
} from '../../src/renderers/renderer.ts';
import type { VirtualClock } from '../support/virtual-clock.ts';

export interface SimulatedBackendOptions {
  readonly spend: SpendClass;
  readonly clock: VirtualClock;
  readonly random: () => number;
  /** Called when a request arrives that is not surely refused. */
  readonly charged: (operationId: string) => void;
}

/** How a request ends, and how likely while there is trouble. */
const fates = [
  ['not_sent', 0.08],
  ['busy', 0.08],
  ['quota', 0.01],
  ['credential', 0.01],
  ['refused', 0.03],
  ['moderated_and_paid', 0.03],
  ['reset', 0.08],
  ['timeout', 0.03],
  ['failed', 0.03],
  ['no_image', 0.02],
  ['image', 0.6],
] as const;

type Fate = (typeof fates)[number][0];

/** How much of what a response points at is gone when it is asked for, while there is trouble. */
const goneRatio = 0.1;
const brokenFetchRatio = 0.2;

/**
 * A backend that bills each request it does not refuse, and that goes on when
 * the processes that ask it end. Some responses are a URL; of a findable one,
 * the client names the work before it is sent.
 */
export class SimulatedBackend {
  readonly #options: SimulatedBackendOptions;
  /** Work by its reference: when it is ready. */
  readonly #works = new Map<string, { readonly prompt: string; readonly readyAtMs: number }>();
  /** Whether things go wrong. */
  isTroubled = true;
  requests = 0;
  #references = 0;

  constructor(options: SimulatedBackendOptions) {
    this.#options = options;
  }

  /** As one process of the service sees it. */
  renderer(): Renderer {
    const { spend } = this.#options;
    return {
      ...{ name: 'simulated', spend, isRepeatable: false, concurrency: 2, delayMs: 0, models: [] },
      plan: ({ prompt, negativePrompts, mediaType }) => ({
        ...{ model: 'any', prompt, negativePrompts, seed: '1', width: 1, height: 1, mediaType },
      }),
      render: (plan, attempt) => this.#render(plan, attempt),
      find: (_plan, reference) => this.#find(reference),
      probe: () => this.#probe(),
      close: () => Promise.resolve(),
    };
  }

  async #render({ prompt }: RenderPlan, attempt: Attempt): Promise<RenderedImage> {
    const { spend, charged, random } = this.#options;
    this.requests += 1;
    const fate = this.#fate();
    const isNamed = spend === 'findable';
    const reference = `work-${(this.#references += 1)}`;
    if (isNamed) await attempt.submitted(reference);
    await this.#pass(50 + 500 * random());
    refuse(fate);
    charged(attempt.operationId);
    const readyAtMs = this.#options.clock.elapsedMs() + 4_000 * random();
    if (fate === 'image' || fate === 'reset' || fate === 'timeout') {
      this.#works.set(reference, { prompt, readyAtMs });
    }
    await this.#pass(4_000 * random());
    failPaid(fate);
    if (!isNamed && random() < 0.3) return this.#fetched(reference, attempt);
    return imageOf(prompt);
  }

  /** The image behind a URL that the response held. */
  async #fetched(reference: string, attempt: Attempt): Promise<RenderedImage> {
    const { random } = this.#options;
    await attempt.submitted(reference);
    await this.#pass(1_000 * random());
    if (this.isTroubled && random() < brokenFetchRatio) {
      throw new RendererError('unknown', 'the fetch broke', { lossCause: 'reset' });
    }
    return imageOf(this.#works.get(reference)?.prompt ?? '');
  }

  async #find(reference: string): Promise<FoundWork> {
    const { random, clock } = this.#options;
    await this.#pass(200 * random());
    if (this.isTroubled && random() < brokenFetchRatio) {
      throw new RendererError('not_sent', 'no connection');
    }
    if (this.isTroubled && random() < goneRatio) this.#works.delete(reference);
    const work = this.#works.get(reference);
    if (work === undefined) return 'lost';
    return work.readyAtMs > clock.elapsedMs() ? 'running' : imageOf(work.prompt);
  }

  async #probe(): Promise<void> {
    await this.#pass(10);
    if (this.isTroubled && this.#options.random() < 0.3) {
      throw new RendererError('not_sent', 'no connection');
    }
  }

  #fate(): Fate {
    if (!this.isTroubled) return 'image';
    let left = this.#options.random();
    for (const [fate, ratio] of fates) {
      left -= ratio;
      if (left < 0) return fate;
    }
    return 'image';
  }

  /** Time of the world outside, which goes on when a process ends. */
  #pass(ms: number): Promise<void> {
    return new Promise((resolve) => this.#options.clock.after(ms, resolve));
  }
}

/** Ends that surely cost nothing. */
function refuse(fate: Fate): void {
  switch (fate) {
    case 'not_sent':
    case 'quota':
    case 'credential':
    case 'refused':
      throw new RendererError(fate, 'no');
    case 'busy':
      throw new RendererError('busy', 'too many requests', { retryAfterMs: 3_000 });
    default:
  }
}

/** Ends without an image that cost, or may have cost, what an image costs. */
function failPaid(fate: Fate): void {
  switch (fate) {
    case 'moderated_and_paid':
      throw new RendererError('moderated', 'no', { isSpent: true });
    case 'failed':
    case 'no_image':
      throw new RendererError(fate, 'no');
    case 'reset':
    case 'timeout':
      throw new RendererError('unknown', 'no response', { lossCause: fate });
    default:
  }
}

function imageOf(prompt: string): RenderedImage {
  return { bytes: Buffer.from(prompt), mediaType: 'image/png', modelVersion: 'simulated' };
}
