import type { AreaSizes } from './size-from-ratio.ts';

/**
 * What happens when a render is repeated.
 *
 * `free`: costs nothing but time, may be repeated. `findable`: costs money, but
 * a lost response can be looked up. `once`: costs money and can't be looked up,
 * so it is asked for at most once.
 */
export type SpendClass = 'free' | 'findable' | 'once';

/** An image that a caller wants, before it is fitted to a model. */
export interface RenderRequest {
  /** `art://<folder>/<model>[/<version>]`. */
  readonly modelUri: string;
  readonly prompt: string;
  readonly negativePrompts: readonly string[];
  /** 0 … 2^63 − 1; 0 lets the renderer draw one. */
  readonly seed: bigint;
  /** Undefined: the model's own. */
  readonly ratio: { readonly width: bigint; readonly height: bigint } | undefined;
  /** Empty: the renderer's preferred one. */
  readonly mediaType: string;
}

/** Sizes a model makes, in pixels: any of a list, or about one area for every ratio. */
export type ModelSizes =
  | {
      readonly kind: 'list';
      readonly sizes: readonly { readonly width: number; readonly height: number }[];
    }
  | ({ readonly kind: 'area' } & AreaSizes);

/** What a model can do, as callers see it. */
export interface ModelCard {
  /** What callers name it by. */
  readonly name: string;
  readonly sizes: ModelSizes;
  /** Media types that a caller may ask for, the preferred one first. */
  readonly mediaTypes: readonly string[];
  /** Code points after NFC. */
  readonly promptCharactersMax: number;
  /** Greatest seed; undefined where seeds change nothing. */
  readonly seedMax: bigint | undefined;
  /** Whether negative prompts count. */
  readonly hasNegativePrompts: boolean;
}

/**
 * An image as it will be rendered: what is left of a request once it fits the
 * model. Plain JSON, because it is stored with its operation and rendered from
 * there, also after a restart.
 */
export interface RenderPlan {
  readonly model: string;
  readonly prompt: string;
  readonly negativePrompts: readonly string[];
  /** Decimal, 1 … the model's greatest; absent where seeds change nothing. */
  readonly seed?: string;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** What the caller gets; the renderer may make another type. */
  readonly mediaType: string;
  /** Fields of the request that the model can't honour: `negative_prompt`. Absent where there are none. */
  readonly ignored?: readonly string[];
}

/** One try to render a plan. */
export interface Attempt {
  readonly operationId: string;
  /** 1 for the first. */
  readonly number: number;
  /** Aborted when the service stops, or when the operation is cancelled and that stops the work. */
  readonly signal: AbortSignal;
  /**
   * Keeps where the result will be found: a URL, a job's id. To be awaited before
   * it is fetched, so that a restart fetches it too and asks for nothing again.
   */
  submitted(reference: string): Promise<void>;
}

export interface RenderedImage {
  /** The renderer's own bytes, unconverted: a whole image of `mediaType`. */
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  /** Returned with the image: the name and version of what made it. */
  readonly modelVersion: string;
  /** Decimal; where the renderer reports the seed that it used. */
  readonly seed?: string;
  /** The renderer's own id of the request, to find it in a bill. */
  readonly requestId?: string;
}

/** Makes images. The place where one kind of backend differs from another. */
export interface Renderer {
  /** Shown to operators: `local`, `openai`. */
  readonly name: string;
  readonly spend: SpendClass;
  /** Whether equal plans give equal bytes at no cost, so that an image may be dropped and rendered again. */
  readonly isRepeatable: boolean;
  /** Whether aborting an attempt stops its work at the backend, so that a cancelled image costs no more. */
  readonly stopsOnAbort?: boolean;
  /** Models that callers may name, the default one first. */
  readonly models: readonly ModelCard[];
  /** Renders at once. */
  readonly concurrency: number;
  /** Milliseconds from acceptance before which an image is not rendered. */
  readonly delayMs: number;
  /**
   * Fits a request to the model. Pure: nothing is spent.
   *
   * @throws RendererError `refused` or `prompt_too_long`.
   */
  plan(request: RenderRequest): RenderPlan;
  /** @throws RendererError */
  render(plan: RenderPlan, attempt: Attempt): Promise<RenderedImage>;
  /**
   * Looks for the result of an earlier attempt where `submitted` said it would be.
   *
   * @throws RendererError `not_sent` or `busy` when it is to be tried again later.
   */
  find?(plan: RenderPlan, reference: string, attempt: Attempt): Promise<FoundWork>;
  /** Asks at no cost whether the backend answers, and takes our credential. @throws RendererError */
  probe(): Promise<void>;
  close(): Promise<void>;
}

/** What became of work that was submitted. */
export type FoundWork = RenderedImage | 'running' | 'lost';

/**
 * Why there is no image.
 *
 * Nothing was spent, and it may be tried again later: `not_sent` (no byte of the
 * request left), `busy` (the backend refused it for now).
 * The backend refused, and did nothing: `quota` (balance or quota used up),
 * `credential`, `misconfigured` (what was asked is not there), `refused`,
 * `prompt_too_long`, `moderated`.
 * `failed`: rendering failed, and the work is known to be over.
 * `no_image`: the backend answered, and there is no usable image in it.
 * `unknown`: no one can tell whether an image was made.
 */
export type RendererFailure =
  | 'not_sent'
  | 'busy'
  | 'quota'
  | 'credential'
  | 'misconfigured'
  | 'refused'
  | 'prompt_too_long'
  | 'moderated'
  | 'failed'
  | 'no_image'
  | 'unknown';

/** How the end of an attempt got lost. */
export type LossCause = 'reset' | 'timeout' | 'status';

export interface RendererErrorOptions {
  /** Field of the request that is wrong, as `google.rpc.BadRequest` names it. */
  readonly field?: string | undefined;
  /** Milliseconds after which a `busy` backend wants to be asked again. */
  readonly retryAfterMs?: number | undefined;
  /** Whether it cost as much as an image, although there is none. */
  readonly isSpent?: boolean;
  /** Of an `unknown`. */
  readonly lossCause?: LossCause;
  /** Attempts in all that a free backend is worth after this failure; 3 where absent. */
  readonly attemptsMax?: number;
  /** The renderer's own id of the request. */
  readonly requestId?: string | undefined;
  readonly cause?: unknown;
}

export class RendererError extends Error {
  override readonly name = 'RendererError';
  readonly failure: RendererFailure;
  readonly options: RendererErrorOptions;

  /** @param message Shown to the caller: holds no secret, address or prompt. */
  constructor(failure: RendererFailure, message: string, options: RendererErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.failure = failure;
    this.options = options;
  }
}
