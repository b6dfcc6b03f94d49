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

/** Operations that were made before the drain, to be read during it. */
interface Operations {
  readonly quick: string;
  readonly endless: string;
  readonly large: string;
}

const events = { headers: { accept: 'text/event-stream' } };
const pauseMinMs = 100;
const pauseSpreadMs = 400;
const probeEveryMs = 100;

/** A client of one gateway, with one connection that it keeps for as long as it may. */
class Caller {
  readonly #target: Target;
  readonly #agent: Agent;

  constructor(target: Target, { keepAlive = true } = {}) {
    this.#target = target;
    this.#agent = new Agent({ keepAlive, maxSockets: 1 });
  }

  /** One request, written down whatever comes of it. Undefined: no answer, and the caller gives up. */
  async send(
    what: string,
    path: string,
    asked: HttpRequest = {},
  ): Promise<HttpResponse | undefined> {
    const { origin, record, name } = this.#target;
    const requestId = `${name}-${what.replaceAll(/\W+/g, '_')}-${record.nextNumber()}`;
    const headers = { ...asked.headers, 'x-request-id': requestId };
    try {
      const answer = await send(`${origin}${path}`, { ...asked, agent: this.#agent, headers });
      record.answered(requestId, answer);
      return answer;
    } catch (error) {
      if (!(error instanceof NoResponse)) throw error;
      record.unanswered(requestId, error);
      this.#agent.destroy();
      return undefined;
    }
  }

  /** The same again and again until there is no answer. */
  async keepSending(what: string, path: string, asked: HttpRequest = {}): Promise<void> {
    while ((await this.send(what, path, asked)) !== undefined) await pause();
  }

  /** Follows an operation to the end of the stream, and then has an image made on the same connection. */
  async followThenCreate(what: string, eventsPath: string): Promise<void> {
    const isFollowed = await this.send(what, eventsPath, events);
    if (isFollowed !== undefined) await this.keepCreating(`${what}, create`, { kind: 'quick' });
  }

  /** Images, one after the other, until there is no answer. */
  async keepCreating(what: string, form: CreateForm): Promise<void> {
    const { record, name } = this.#target;
    for (;;) {
      const prompt = `${form.kind} ${name} ${record.nextNumber()}`;
      const headers = {
        ...form.headers,
        ...(form.isKeyed === true && { 'idempotency-key': prompt.replaceAll(' ', '-') }),
      };
      const path = form.path ?? '/v1/images';
      const answer = await this.send(what, path, { headers, body: { prompt, ...form.body } });
      record.told(prompt, answer);
      if (answer === undefined) return;
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

/** Has the images made that are read later. @throws Error when that does not work. */
export async function prepare(target: Target): Promise<Operations> {
  const caller = new Caller(target);
  const make = async (kind: ImageKind) => {
    const prompt = `${kind} ${target.name} before`;
    const answer = await caller.send('prepare', '/v1/images', { body: { prompt } });
    target.record.told(prompt, answer);
    if (answer?.status !== 202) throw new Error(`an image was answered with ${answer?.status}`);
    return (JSON.parse(answer.body.toString()) as { id: string }).id;
  };
  return { quick: await make('quick'), endless: await make('endless'), large: await make('large') };
}

/** All that goes on while the gateway drains. Resolves when it takes nothing more of any of them. */
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

/** Asks as a load balancer does: a connection for each question. */
async function probe(target: Target): Promise<void> {
  const caller = new Caller(target, { keepAlive: false });
  for (;;) {
    const answer = await caller.send('probe', '/readyz');
    if (answer === undefined) return;
    target.record.probed(answer.status);
    await sleep(probeEveryMs);
  }
}

/** Connections that do nothing: open, silent in the middle of a request, and deaf to their image. */
export class IdleCrowd {
  readonly #sockets: Socket[] = [];
  readonly #port: number;

  constructor({ origin }: Target) {
    this.#port = Number(new URL(origin).port);
  }

  /** @param stalled Paths of what is asked for and not read. */
  gather(stalled: readonly string[]): void {
    for (const text of ['', '', 'GET /livez HT']) this.#open(text).resume();
    for (const path of stalled) {
      // Never read: the first bytes stay where they are.
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
