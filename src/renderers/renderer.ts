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

/**
 * An image as it will be rendered: what is left of a request once it fits the
 * model. Plain JSON, because it is stored with its operation and rendered from
 * there, also after a restart.
 */
export interface RenderPlan {
  readonly model: string;
  readonly prompt: string;
  readonly negativePrompts: readonly string[];
  /** Decimal, 1 … 2^63 − 1. */
  readonly seed: string;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly mediaType: string;
}

/** One try to render a plan. */
export interface Attempt {
  readonly operationId: string;
  /** 1 for the first. */
  readonly number: number;
  /** Aborted when the service stops, or when the operation is cancelled and that stops the work. */
  readonly signal: AbortSignal;
}

export interface RenderedImage {
  readonly bytes: Uint8Array;
}

/** Makes images. The place where one kind of backend differs from another. */
export interface Renderer {
  /** Shown to operators: `local`. */
  readonly name: string;
  readonly spend: SpendClass;
  /** Whether equal plans give equal bytes at no cost, so that an image may be dropped and rendered again. */
  readonly isRepeatable: boolean;
  /** Reported with every image. */
  readonly modelVersion: string;
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
  close(): Promise<void>;
}

/**
 * Why there is no image.
 *
 * `not_sent`, `busy`: nothing was spent, and it may be tried again later.
 * `refused`, `prompt_too_long`, `moderated`: because of the request.
 * `failed`: because of the renderer, and the work is known to be over.
 * `unknown`: no one can tell whether an image was made.
 */
export type RendererFailure =
  | 'not_sent'
  | 'busy'
  | 'refused'
  | 'prompt_too_long'
  | 'moderated'
  | 'failed'
  | 'unknown';

export class RendererError extends Error {
  override readonly name = 'RendererError';
  readonly failure: RendererFailure;
  /** Field of the request that is wrong, as `google.rpc.BadRequest` names it. */
  readonly field: string | undefined;

  /** @param message Shown to the caller: holds no secret, address or prompt. */
  constructor(
    failure: RendererFailure,
    message: string,
    options: { readonly field?: string; readonly cause?: unknown } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.failure = failure;
    this.field = options.field;
  }
}
