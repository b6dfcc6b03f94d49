import { exchange, type HttpEnd, type HttpRequest } from '../http-exchange.ts';
import type { WholeImage } from '../image-from-bytes.ts';
import type { PromptSyntax } from '../prompt-syntax.ts';
import type { Resolve } from '../public-address.ts';
import {
  RendererError,
  type Attempt,
  type FoundWork,
  type ModelCard,
  type RenderedImage,
  type Renderer,
  type RenderPlan,
} from '../renderer.ts';
import { addressesFromBase, authHeaders } from './backend-address.ts';
import { dialects, type AuthForm, type Dialect } from './dialects.ts';
import { imageFromUrl } from './image-url.ts';
import { modelListFromEnd } from './model-list.ts';
import { cardsOf, planOf } from './render-plan.ts';
import { requestBody } from './request-body.ts';
import { failureFromEnd, requestIdOf } from './response-failure.ts';
import { imageFromResponse } from './response-image.ts';

export interface OpenAiRendererOptions {
  /** Base URL, with or without the version. */
  readonly url: URL;
  /** Undefined: by what it says of itself. */
  readonly dialect: Dialect | undefined;
  readonly spend: 'free' | 'once';
  /** The backend's name of the model; undefined takes the dialect's, or the first that it lists. */
  readonly model: string | undefined;
  /** Read for each request, so that a key may change. @throws Error that holds nothing of it. */
  readonly readKey: () => Promise<string | undefined>;
  readonly auth: AuthForm | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly params: Readonly<Record<string, unknown>>;
  readonly concurrency: number | undefined;
  readonly timeoutMs: number;
  readonly imageBytesMax: number;
  readonly promptSyntax: PromptSyntax['mode'];
  readonly ca: string | undefined;
  readonly drawSeed: () => bigint;
  readonly nowMs: () => number;
  /** Names of other hosts → addresses, in place of DNS. */
  readonly resolve?: Resolve;
}

/** A renderer whose backend was found, or not yet. */
export interface OpenAiRenderer extends Renderer {
  /** Aborted by `close`. */
  readonly closed: AbortSignal;
  /** What is known of the backend now. */
  readonly found: Found;
}

export interface Found {
  readonly dialect: Dialect;
  /** The backend's name of the model; empty where none is known or needed. */
  readonly model: string;
  /** The models that it lists; undefined where it has no list, or was not asked yet. */
  readonly listed: readonly string[] | undefined;
  readonly wasAsked: boolean;
}

const probeTimeoutMs = 10_000;
const listBytesMax = 4_194_304;
const cloudConcurrency = 4;
/** JSON around an image, and other fields of the response. */
const aroundImageBytes = 1_048_576;

/** Makes images through a server of OpenAI's shape: one POST an image, whatever happens. */
export function openOpenAiRenderer(options: OpenAiRendererOptions): OpenAiRenderer {
  return new HttpRenderer(options);
}

function imageFacts(plan: RenderPlan, modelVersion: string, requestId: string | undefined) {
  return {
    modelVersion,
    ...(plan.seed === undefined ? {} : { seed: plan.seed }),
    ...(requestId === undefined ? {} : { requestId }),
  };
}

function withRequestId(
  { failure, message, options }: RendererError,
  requestId: string | undefined,
): RendererError {
  return new RendererError(failure, message, { ...options, requestId });
}

class HttpRenderer implements OpenAiRenderer {
  readonly name = 'openai';
  readonly isRepeatable = false;
  readonly delayMs = 0;
  readonly spend: 'free' | 'once';
  readonly concurrency: number;
  readonly #options: OpenAiRendererOptions;
  readonly #closing = new AbortController();
  #found: Found;

  constructor(options: OpenAiRendererOptions) {
    this.#options = options;
    this.spend = options.spend;
    const { dialect } = options;
    const isCloud = dialect?.isCloud ?? options.url.protocol === 'https:';
    this.concurrency = options.concurrency ?? (isCloud ? cloudConcurrency : 1);
    this.#found = {
      dialect: dialect ?? dialects.generic,
      model: options.model ?? dialect?.defaultModel ?? '',
      ...{ listed: undefined, wasAsked: false },
    };
  }

  get closed(): AbortSignal {
    return this.#closing.signal;
  }

  get found(): Found {
    return this.#found;
  }

  get models(): readonly ModelCard[] {
    return cardsOf(this.#found.model, this.#found.dialect);
  }

  get modelVersion(): string {
    return this.#found.model || this.#found.dialect.name;
  }

  plan(request: Parameters<Renderer['plan']>[0]): RenderPlan {
    const { promptSyntax: mode, drawSeed } = this.#options;
    const syntax = { mode, mayObey: this.#found.dialect.mayObeyPrompts };
    return planOf(request, { cards: this.models, syntax, drawSeed });
  }

  async render(plan: RenderPlan, attempt: Attempt): Promise<RenderedImage> {
    const { model, dialect } = await this.#ready();
    const { params, imageBytesMax, url } = this.#options;
    const key = await this.#key();
    const end = await this.#send({
      method: 'POST',
      url: addressesFromBase(url).generations,
      headers: {
        ...this.#headers(key),
        'content-type': 'application/json',
        accept: 'application/json, image/*;q=0.5',
        'x-client-request-id': attempt.operationId,
      },
      body: requestBody(plan, { dialect, model, params }),
      bytesMax: Math.ceil((imageBytesMax * 4) / 3) + aroundImageBytes,
      timeoutMs: this.#options.timeoutMs,
      signal: attempt.signal,
    });
    const failure = failureFromEnd(end, {
      is429Unknown: dialect.is429Unknown === true,
      secrets: [plan.prompt, ...plan.negativePrompts, key ?? '', url.host],
      nowMs: this.#options.nowMs(),
    });
    if (failure !== undefined) throw failure;
    if (end.kind !== 'response') throw new RendererError('unknown', 'no response');
    const requestId = requestIdOf(end.headers);
    const facts = imageFacts(plan, model || this.modelVersion, requestId);
    try {
      const image = imageFromResponse(end, imageBytesMax);
      if (!('url' in image)) return { ...image, ...facts };
      await attempt.submitted(image.url);
      return { ...(await this.#fetched(image.url, attempt)), ...facts };
    } catch (error) {
      throw error instanceof RendererError ? withRequestId(error, requestId) : error;
    }
  }

  async find(plan: RenderPlan, reference: string, attempt: Attempt): Promise<FoundWork> {
    const found = await this.#fetchOnce(reference, attempt.signal);
    if (found === 'later') {
      throw new RendererError('not_sent', 'the image could not be fetched for now');
    }
    if (found === 'lost') return 'lost';
    return { ...found, ...imageFacts(plan, this.modelVersion, undefined) };
  }

  /** The image at an address that was just returned. What fails here is looked for by `find`. */
  async #fetched(url: string, { signal }: Attempt): Promise<WholeImage> {
    const found = await this.#fetchOnce(url, signal);
    if (typeof found !== 'string') return found;
    throw new RendererError('unknown', 'the image could not be fetched', { lossCause: 'reset' });
  }

  #fetchOnce(url: string, signal: AbortSignal): Promise<WholeImage | 'lost' | 'later'> {
    const { url: backend, imageBytesMax, ca, resolve } = this.#options;
    const { urlRule, name } = this.#found.dialect;
    // Nothing is known of it, but https is what others offer.
    const rule = name === 'generic' && backend.protocol === 'https:' ? 'public' : urlRule;
    const own = { backend, rule, imageBytesMax, ca, signal };
    return imageFromUrl(url, resolve === undefined ? own : { ...own, resolve });
  }

  async probe(): Promise<void> {
    const { url, dialect, model } = this.#options;
    const end = await this.#send({
      method: 'GET',
      url: addressesFromBase(url).models,
      headers: { ...this.#headers(await this.#key()), accept: 'application/json' },
      bytesMax: listBytesMax,
      timeoutMs: probeTimeoutMs,
      signal: this.closed,
    });
    const list = modelListFromEnd(end);
    const seen = dialect ?? list.dialect ?? dialects.generic;
    const named = model ?? seen.defaultModel;
    const first = seen.needsModel === true ? undefined : list.models?.[0];
    if (named === undefined && list.models?.length === 0) {
      throw new RendererError('not_sent', 'the backend lists no model yet');
    }
    const found = { dialect: seen, model: named ?? first ?? '', listed: list.models };
    this.#found = { ...found, wasAsked: true };
  }

  async close(): Promise<void> {
    this.#closing.abort();
  }

  /** What is known of the backend, asked for first where no model is known. */
  async #ready(): Promise<Found> {
    const { model, wasAsked } = this.#found;
    if (model === '' && !wasAsked) await this.probe();
    if (this.#found.dialect.needsModel === true && this.#found.model === '') {
      throw new RendererError('misconfigured', 'no model of the backend is named');
    }
    return this.#found;
  }

  #headers(key: string | undefined): Readonly<Record<string, string>> {
    const { auth, headers } = this.#options;
    return { ...headers, ...authHeaders(key, auth ?? this.#found.dialect.auth) };
  }

  async #key(): Promise<string | undefined> {
    try {
      return await this.#options.readKey();
    } catch (cause) {
      throw new RendererError('not_sent', 'the key for the image model could not be read', {
        cause,
      });
    }
  }

  #send(request: HttpRequest): Promise<HttpEnd> {
    return exchange({ ...request, ca: this.#options.ca });
  }
}
