import { Agent } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { send, NoResponse, type HttpResponse, type HttpRequest } from '../support/http-client.ts';
import type { ImageKind } from './drain-upstream.ts';
import type { DrainRecord } from './drain-record.ts';

export interface Target {
  readonly name: string;
  readonly origin: string;
  readonly record: DrainRecord;
}

/** Operations created before the drain, to be read during it. */
interface Operations {
  readonly quick: string;
  readonly endless: string;
  readonly large: string;
}

const events = { headers: { accept: 'text/event-stream' } };
const pauseMinMs = 100;
const pauseSpreadMs = 400;
const probeEveryMs = 100;

/** A client of one gateway, with one connection that it keeps as long as possible. */
class Caller {
  readonly #target: Target;
  readonly #agent: Agent;

  constructor(target: Target, { keepAlive = true } = {}) {
    this.#target = target;
    this.#agent = new Agent({ keepAlive, maxSockets: 1 });
  }

  /** One recorded request. Undefined: there was no response, and the caller stops. */
  async send(
    what: string,
    path: string,
    asked: HttpRequest = {},
  ): Promise<HttpResponse | undefined> {
    const { origin, record, name } = this.#target;
    const requestId = `${name}-${what.replaceAll(/\W+/g, '_')}-${record.nextNumber()}`;
    const headers = { ...asked.headers, 'x-request-id': requestId };
    try {
      const response = await send(`${origin}${path}`, { ...asked, agent: this.#agent, headers });
      record.answered(requestId, response);
      return response;
    } catch (error) {
      if (!(error instanceof NoResponse)) throw error;
      record.unanswered(requestId, error);
      this.#agent.destroy();
      return undefined;
    }
  }

  /** The same request again and again until there is no response. */
  async keepSending(what: string, path: string, asked: HttpRequest = {}): Promise<void> {
    while ((await this.send(what, path, asked)) !== undefined) await pause();
  }

  /** Follows an operation to the end of the stream, then creates images on the same connection. */
  async followThenCreate(what: string, eventsPath: string): Promise<void> {
    const isFollowed = await this.send(what, eventsPath, events);
    if (isFollowed !== undefined) await this.keepCreating(`${what}, create`, { kind: 'quick' });
  }

  /** Creates images one after the other until there is no response. */
  async keepCreating(what: string, form: CreateForm): Promise<void> {
    const { record, name } = this.#target;
    for (;;) {
      const prompt = `${form.kind} ${name} ${record.nextNumber()}`;
      const headers = {
        ...form.headers,
        ...(form.isKeyed === true && { 'idempotency-key': prompt.replaceAll(' ', '-') }),
      };
      const path = form.path ?? '/v1/images';
      const response = await this.send(what, path, { headers, body: { prompt, ...form.body } });
      record.created(prompt, response);
      if (response === undefined) return;
      await pause();
    }
  }
}

interface CreateForm {
  readonly kind: ImageKind;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
  readonly isKeyed?: boolean;
}

function pause(): Promise<void> {
  return sleep(pauseMinMs + Math.random() * pauseSpreadMs);
}

/** Creates the operations that are read later. @throws Error when that fails. */
export async function prepare(target: Target): Promise<Operations> {
  const caller = new Caller(target);
  const make = async (kind: ImageKind) => {
    const prompt = `${kind} ${target.name} before`;
    const response = await caller.send('prepare', '/v1/images', { body: { prompt } });
    target.record.created(prompt, response);
    if (response?.status !== 202) throw new Error(`a create got ${response?.status}`);
    return (JSON.parse(response.body.toString()) as { id: string }).id;
  };
  return { quick: await make('quick'), endless: await make('endless'), large: await make('large') };
}

/** The load during the drain. Resolves when the gateway accepts no further request of any caller. */
export async function load(target: Target, operations: Operations): Promise<void> {
  const caller = () => new Caller(target);
  const { quick, endless } = operations;
  await Promise.all([
    caller().keepCreating('create', { kind: 'quick' }),
    caller().keepCreating('keyed create', { kind: 'quick', isKeyed: true }),
    caller().keepCreating('create and wait', { kind: 'endless', headers: { prefer: 'wait=60' } }),
    caller().keepCreating('image at once', { kind: 'quick', headers: { accept: 'image/*' } }),
    caller().keepCreating('late create', { kind: 'late', isKeyed: true }),
    caller().keepCreating('OpenAI', {
      kind: 'quick',
      path: '/v1/images/generations',
      body: { response_format: 'url' },
    }),
    caller().keepSending('long poll', `/operations/${endless}?wait=60`),
    caller().keepSending('long poll of many', `/operations/${endless}?wait=60`),
    caller().keepSending('events', `/operations/${endless}/events`, events),
    caller().keepSending('events of many', `/operations/${endless}/events`, events),
    caller().followThenCreate('events first', `/operations/${endless}/events`),
    caller().keepSending('read', `/operations/${quick}`),
    caller().keepSending('download', `/operations/${quick}/image?wait=10`),
    probe(target),
  ]);
}

/** Reads `/readyz` as a load balancer does: with a new connection each time. */
async function probe(target: Target): Promise<void> {
  const caller = new Caller(target, { keepAlive: false });
  for (;;) {
    const response = await caller.send('probe', '/readyz');
    if (response === undefined) return;
    target.record.probed(response.status);
    await sleep(probeEveryMs);
  }
}

/** Connections without progress: idle, silent in the middle of a request, or not reading their image. */
export class IdleCrowd {
  readonly #sockets: Socket[] = [];
  readonly #port: number;

  constructor({ origin }: Target) {
    this.#port = Number(new URL(origin).port);
  }

  /** @param stalled Paths that are requested and then not read. */
  gather(stalled: readonly string[]): void {
    for (const text of ['', '', 'GET /livez HT']) this.#open(text).resume();
    for (const path of stalled) {
      // Never read, so the socket stays full.
      this.#open(`GET ${path} HTTP/1.1\r\nHost: gateway\r\n\r\n`).pause();
    }
  }

  leave(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #open(text: string): Socket {
    const socket = connect(this.#port, '127.0.0.1').on('error', () => undefined);
    socket.write(text);
    this.#sockets.push(socket);
    return socket;
  }
}
