import { createHash } from 'node:crypto';
import type { Gateway } from '../support/gateway.ts';
import { spendReportFrom } from '../support/spend-audit.ts';
import { Observations, type ObservedCreate, type ObservedRead } from './observations.ts';

/** The gateway as callers see it. */
export type FrontDoor = Pick<Gateway, 'origin' | 'fetch'>;

/** A route that makes an image. */
export type CreateRoute = 'native' | 'openai' | 'vendor';

export interface ObservedCallersOptions {
  /** Longest time of a create, on a machine that is not busy. */
  readonly createMsMax: number;
  /** Added to the requested wait: one read, and a busy machine. */
  readonly slackMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Error statuses that a read of an operation may have. */
  readonly mayRefuse?: readonly number[];
  /** Texts that no response may hold, besides addresses and grpc-js's own texts. */
  readonly secrets?: readonly string[];
}

const paths = {
  native: '/v1/images',
  openai: '/v1/images/generations',
  vendor: '/foundationModels/v1/imageGenerationAsync',
} as const satisfies Record<CreateRoute, string>;

/** Texts of grpc-js, Node and the protocol, which belong in the log only. */
const localTexts =
  /RST_STREAM|E(?:CONN\w+|PIPE|TIMEDOUT)|ERR_|Deadline exceeded|LB pick|remote_addr|Received HTTP|No connection established|nghttp2|Name resolution|GOAWAY|undefined|NaN/;

let instances = 0;

/** The callers of one gateway; everything they see goes into the observations. */
export class ObservedCallers {
  readonly observations = new Observations();
  readonly gateway: FrontDoor;
  readonly #options: ObservedCallersOptions;
  readonly #name = `scene-${(instances += 1)}`;
  #count = 0;

  constructor(gateway: FrontDoor, options: ObservedCallersOptions) {
    this.gateway = gateway;
    this.#options = options;
  }

  /** Creates an image, with a prompt that no other create has. */
  async create(
    options: {
      readonly route?: CreateRoute;
      readonly marker?: string;
      readonly headers?: Readonly<Record<string, string>>;
    } = {},
  ): Promise<ObservedCreate> {
    const { route = 'native', marker = this.newMarker() } = options;
    const startMs = performance.now();
    const response = await this.#send(paths[route], {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...options.headers },
      body: JSON.stringify(bodies[route](marker)),
    });
    const entry = {
      marker,
      ...response,
      tookMs: performance.now() - startMs,
      limitMs: this.#options.createMsMax + this.#slackMs,
    };
    this.observations.creates.push(entry);
    return entry;
  }

  newMarker(): string {
    return `${this.#name}-image-${(this.#count += 1)}`;
  }

  /** The id of a create that must succeed. */
  async created(): Promise<string> {
    const { id, httpStatus, code } = await this.create();
    if (id === undefined) throw new Error(`a create was refused: ${httpStatus} ${code}`);
    return id;
  }

  /** Reads the operation once; with `waitMs` the response waits for the end of the operation. */
  async read(id: string, { waitMs = 0, by = 'a poller' } = {}): Promise<ObservedRead['state']> {
    const query = waitMs > 0 ? `?wait=${waitMs / 1000}` : '';
    return this.#read(`/operations/${id}${query}`, { id, by, waitMs });
  }

  async cancel(id: string): Promise<ObservedRead['state']> {
    const init = { method: 'POST' };
    return this.#read(`/operations/${id}/cancel`, { id, by: 'a canceller', waitMs: 0 }, init);
  }

  /** Repeats a waiting read until the operation has ended. @returns How long that took. */
  async finished(id: string, options: { readonly withinMs: number; readonly by?: string }) {
    const { withinMs, by = 'a waiter' } = options;
    const startMs = performance.now();
    for (;;) {
      const leftMs = withinMs - (performance.now() - startMs);
      const waitMs = Math.min(60_000, Math.max(100, leftMs));
      const state = await this.read(id, { waitMs, by });
      const tookMs = performance.now() - startMs;
      if (state.kind === 'finished') return tookMs;
      if (tookMs >= withinMs) {
        this.observations.findings.push(`${id}: ${by} did not see the end within ${withinMs} ms`);
        return tookMs;
      }
      // A refusal comes at once; thousands of callers must not retry as fast as they can.
      if (state.kind === 'refused') await pause(1_000 + 2_000 * Math.random());
    }
  }

  /** Reads the bytes of a finished image. */
  async image(id: string, { waitMs = 5_000 } = {}): Promise<ObservedRead['state']> {
    const startMs = performance.now();
    const response = await this.gateway.fetch(`/operations/${id}/image?wait=${waitMs / 1000}`, {
      headers: this.#options.headers ?? {},
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const isImage = response.status === 200;
    if (!isImage) this.#checkLeaks(bytes.toString());
    const state = isImage
      ? {
          kind: 'finished' as const,
          aspects: {
            status: 'succeeded',
            seed: response.headers.get('x-image-seed') ?? '',
            byteLength: String(bytes.length),
            sha256: createHash('sha256').update(bytes).digest('hex'),
          },
        }
      : { kind: 'refused' as const, httpStatus: response.status, code: '' };
    this.#record({ id, by: 'a viewer', startMs, waitMs }, state);
    return state;
  }

  /** Reads the event stream of an operation to its end. */
  async follow(id: string, { limitMs = 60_000 } = {}): Promise<void> {
    const startMs = performance.now();
    const response = await this.gateway.fetch(`/operations/${id}/events`, {
      headers: this.#options.headers ?? {},
    });
    const text = await response.text();
    this.#checkLeaks(text);
    const events = text.split('\n').filter((line) => line.startsWith('data: '));
    for (const line of events) {
      const state = stateFrom(200, JSON.parse(line.slice(6)) as Json);
      // The time of an event is unknown; only its order in the stream is known.
      const seenMs = state.kind === 'running' ? startMs : performance.now();
      this.#record({ id, by: 'an event stream', startMs: seenMs, waitMs: limitMs }, state);
    }
    if (!events.at(-1)?.includes('"done":true'))
      this.observations.findings.push(`${id}: an event stream ended before the operation did`);
  }

  get #slackMs(): number {
    return this.#options.slackMs ?? 10_000;
  }

  async #read(
    path: string,
    read: { readonly id: string; readonly by: string; readonly waitMs: number },
    init: RequestInit = {},
  ): Promise<ObservedRead['state']> {
    const startMs = performance.now();
    const { httpStatus, json } = await this.#send(path, init);
    const state = stateFrom(httpStatus, json);
    this.#record({ ...read, startMs }, state);
    return state;
  }

  #record(
    read: Pick<ObservedRead, 'id' | 'by' | 'startMs'> & { readonly waitMs: number },
    state: ObservedRead['state'],
  ): void {
    const { waitMs, ...rest } = read;
    const limitMs = waitMs + this.#slackMs;
    this.observations.reads.push({ ...rest, endMs: performance.now(), limitMs, state });
    if (state.kind !== 'refused' || this.#options.mayRefuse?.includes(state.httpStatus)) return;
    this.observations.findings.push(`${read.id}: ${read.by} got ${state.httpStatus} ${state.code}`);
  }

  async #send(path: string, init: RequestInit) {
    try {
      const response = await this.gateway.fetch(path, {
        ...init,
        headers: { ...this.#options.headers, ...init.headers } as Record<string, string>,
      });
      const text = await response.text();
      this.#checkLeaks(text);
      const json = JSON.parse(text) as Json;
      const error = (json['error'] ?? {}) as Json;
      const code = response.ok ? '' : textOf(json['code'] ?? error['code']);
      const id = json['id'] ?? (json['data'] as Json[] | undefined)?.[0]?.['operation_id'];
      return {
        httpStatus: response.status,
        reported: spendReportFrom(response.status, json),
        code,
        id: response.ok ? String(id) : undefined,
        json,
      };
    } catch (error) {
      const code = String((error as Error).cause ?? error);
      return { httpStatus: 0, reported: 'none' as const, code, id: undefined, json: {} };
    }
  }

  #checkLeaks(text: string): void {
    // The gateway's own links and operation ids may be shown.
    const shown = text.replaceAll(this.gateway.origin, '').replaceAll(/op_[\w-]+/g, '');
    const found =
      localTexts.exec(shown)?.[0] ??
      /127\.0\.0\.\d|localhost/.exec(shown)?.[0] ??
      this.#options.secrets?.find((secret) => shown.includes(secret));
    if (found !== undefined) this.observations.findings.push(`a response shows ${found}: ${shown}`);
  }
}

type Json = Record<string, unknown>;

const bodies = {
  native: (prompt: string) => ({ prompt }),
  openai: (prompt: string) => ({ prompt }),
  vendor: (text: string) => ({
    modelUri: 'art://local/yandex-art/latest',
    messages: [{ text, weight: 1 }],
  }),
} as const satisfies Record<CreateRoute, (marker: string) => object>;

function textOf(value: unknown): string {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function stateFrom(httpStatus: number, json: Json): ObservedRead['state'] {
  if (httpStatus !== 200) return { kind: 'refused', httpStatus, code: textOf(json['code']) };
  if (json['done'] !== true) return { kind: 'running' };
  const response = json['response'] as Json | undefined;
  const error = json['error'] as Json | undefined;
  const { seed, byteLength } = response ?? {};
  const { code, reason, message } = error ?? {};
  const all = { status: json['status'], seed, byteLength, code, reason, message };
  const aspects = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, textOf(value)]],
  );
  return { kind: 'finished', aspects: Object.fromEntries(aspects) as Record<string, string> };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
