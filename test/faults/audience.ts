import { createHash } from 'node:crypto';
import type { Gateway } from '../support/gateway.ts';
import { History, type CreateEntry, type Spend, type Telling } from './history.ts';

/** What callers see of a gateway. */
export type FrontDoor = Pick<Gateway, 'origin' | 'fetch'>;

/** A route that makes an image. */
export type CreateRoute = 'native' | 'openai' | 'vendor';

export interface AudienceOptions {
  /** Longest that a create may take; what a busy machine adds comes on top. */
  readonly createMsMax: number;
  /** Beyond the wait that was asked for: one read, and a busy machine. */
  readonly slackMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Statuses that a read of an operation may be refused with. */
  readonly mayRefuse?: readonly number[];
  /** Text that no answer may hold, beside addresses and what grpc-js says to itself. */
  readonly secrets?: readonly string[];
}

const paths = {
  native: '/v1/images',
  openai: '/v1/images/generations',
  vendor: '/foundationModels/v1/imageGenerationAsync',
} as const satisfies Record<CreateRoute, string>;

/** Words of grpc-js, Node and the wire, which are for the log. */
const localWords =
  /RST_STREAM|E(?:CONN\w+|PIPE|TIMEDOUT)|ERR_|Deadline exceeded|LB pick|remote_addr|Received HTTP|No connection established|nghttp2|Name resolution|GOAWAY|undefined|NaN/;

let audiences = 0;

/** The callers of one gateway: whatever they are told goes into the history. */
export class Audience {
  readonly history = new History();
  readonly gateway: FrontDoor;
  readonly #options: AudienceOptions;
  readonly #name = `scene-${(audiences += 1)}`;
  #count = 0;

  constructor(gateway: FrontDoor, options: AudienceOptions) {
    this.gateway = gateway;
    this.#options = options;
  }

  /** Has an image made, with a prompt that no other create has. */
  async create(
    options: {
      readonly route?: CreateRoute;
      readonly marker?: string;
      readonly headers?: Readonly<Record<string, string>>;
    } = {},
  ): Promise<CreateEntry> {
    const { route = 'native', marker = this.newMarker() } = options;
    const startMs = performance.now();
    const answer = await this.#ask(paths[route], {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...options.headers },
      body: JSON.stringify(bodies[route](marker)),
    });
    const entry = {
      marker,
      ...answer,
      spend: spendOf(answer),
      tookMs: performance.now() - startMs,
      limitMs: this.#options.createMsMax + this.#slackMs,
    };
    this.history.creates.push(entry);
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

  /** One read of the operation; with `waitMs` it is held until the operation ends. */
  async read(id: string, { waitMs = 0, by = 'a poller' } = {}): Promise<Telling['told']> {
    const query = waitMs > 0 ? `?wait=${waitMs / 1000}` : '';
    return this.#read(`/operations/${id}${query}`, { id, by, waitMs });
  }

  async cancel(id: string): Promise<Telling['told']> {
    const init = { method: 'POST' };
    return this.#read(`/operations/${id}/cancel`, { id, by: 'a canceller', waitMs: 0 }, init);
  }

  /** Waits again and again until it is told the end. @returns How long that took. */
  async finished(id: string, options: { readonly withinMs: number; readonly by?: string }) {
    const { withinMs, by = 'a waiter' } = options;
    const startMs = performance.now();
    for (;;) {
      const leftMs = withinMs - (performance.now() - startMs);
      const waitMs = Math.min(60_000, Math.max(100, leftMs));
      const told = await this.read(id, { waitMs, by });
      const tookMs = performance.now() - startMs;
      if (told.kind === 'finished') return tookMs;
      if (tookMs >= withinMs) {
        this.history.wrong.push(`${id}: ${by} was not told the end within ${withinMs} ms`);
        return tookMs;
      }
      // A refusal comes at once, and is no reason for thousands to ask as fast as they can.
      if (told.kind === 'refused') await pause(1_000 + 2_000 * Math.random());
    }
  }

  /** The bytes of a finished image. */
  async image(id: string, { waitMs = 5_000 } = {}): Promise<Telling['told']> {
    const beganMs = performance.now();
    const response = await this.gateway.fetch(`/operations/${id}/image?wait=${waitMs / 1000}`, {
      headers: this.#options.headers ?? {},
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const isImage = response.status === 200;
    if (!isImage) this.#checkLeaks(bytes.toString());
    const told = isImage
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
    this.#tell({ id, by: 'a viewer', beganMs, waitMs }, told);
    return told;
  }

  /** Follows the events of an operation to their end. */
  async follow(id: string, { limitMs = 60_000 } = {}): Promise<void> {
    const beganMs = performance.now();
    const response = await this.gateway.fetch(`/operations/${id}/events`, {
      headers: this.#options.headers ?? {},
    });
    const text = await response.text();
    this.#checkLeaks(text);
    const events = text.split('\n').filter((line) => line.startsWith('data: '));
    for (const line of events) {
      const told = toldFrom(200, JSON.parse(line.slice(6)) as Json);
      // When it came is not known; only its order within the stream is.
      const began = told.kind === 'running' ? beganMs : performance.now();
      this.#tell({ id, by: 'an event stream', beganMs: began, waitMs: limitMs }, told);
    }
    if (!events.at(-1)?.includes('"done":true'))
      this.history.wrong.push(`${id}: an event stream ended before the operation did`);
  }

  get #slackMs(): number {
    return this.#options.slackMs ?? 10_000;
  }

  async #read(
    path: string,
    asked: { readonly id: string; readonly by: string; readonly waitMs: number },
    init: RequestInit = {},
  ): Promise<Telling['told']> {
    const beganMs = performance.now();
    const { httpStatus, json } = await this.#ask(path, init);
    const told = toldFrom(httpStatus, json);
    this.#tell({ ...asked, beganMs }, told);
    return told;
  }

  #tell(
    asked: Pick<Telling, 'id' | 'by' | 'beganMs'> & { readonly waitMs: number },
    told: Telling['told'],
  ): void {
    const { waitMs, ...rest } = asked;
    const limitMs = waitMs + this.#slackMs;
    this.history.tellings.push({ ...rest, endedMs: performance.now(), limitMs, told });
    if (told.kind !== 'refused' || this.#options.mayRefuse?.includes(told.httpStatus)) return;
    this.history.wrong.push(`${asked.id}: ${asked.by} got ${told.httpStatus} ${told.code}`);
  }

  async #ask(path: string, init: RequestInit) {
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
        code,
        id: response.ok ? String(id) : undefined,
        json,
      };
    } catch (error) {
      const code = String((error as Error).cause ?? error);
      return { httpStatus: 0, code, id: undefined, json: {} };
    }
  }

  #checkLeaks(text: string): void {
    // The gateway's own links and names of problems are meant to be seen.
    const shown = text.replaceAll(this.gateway.origin, '').replaceAll(/op_[\w-]+/g, '');
    const found =
      localWords.exec(shown)?.[0] ??
      /127\.0\.0\.\d|localhost/.exec(shown)?.[0] ??
      this.#options.secrets?.find((secret) => shown.includes(secret));
    if (found !== undefined) this.history.wrong.push(`an answer shows ${found}: ${shown}`);
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

function spendOf(answer: { readonly httpStatus: number; readonly json: Json }): Spend {
  const { httpStatus, json } = answer;
  if (httpStatus === 0) return 'nothing';
  if (httpStatus < 300) return 'accepted';
  const outcome = json['outcome'] ?? (json['error'] as Json | undefined)?.['outcome'];
  return outcome === 'not_started' || outcome === 'unknown' || outcome === 'accepted'
    ? outcome
    : 'untold';
}

function textOf(value: unknown): string {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function toldFrom(httpStatus: number, json: Json): Telling['told'] {
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
