import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Connection } from '../../bench/connection.ts';

// A crowd that waits: each with a connection of its own, by long poll or on an event stream.

export interface JoinOrder {
  readonly join: {
    readonly origin: string;
    readonly ids: readonly string[];
    readonly perOperation: number;
    /** Of all, those who listen to events. */
    readonly eventsShare: number;
  };
}

/** One who was told that the operation ended. */
export interface ToldWaiter {
  readonly id: string;
  readonly askedAtMs: number;
  readonly toldAtMs: number;
}

export interface CrowdResult {
  readonly told: readonly ToldWaiter[];
  /** Who heard something else, or whose connection broke, with the first of what they heard. */
  readonly wrong: number;
  readonly firstWrong: string;
  readonly waiting: number;
}

/** Connections are opened a few at a time, so that none is turned away. */
const opening = 100;
/** A limit that passes is no end: such a waiter asks again. */
const asksMax = 200;
/** Who is sent away sooner than that comes back after a moment. */
const soonMs = 5_000;
const pauseMs = 1_000;

interface Waiting {
  leave(): void;
}

const waiting = new Set<Waiting>();
let told: ToldWaiter[] = [];
let wrong = 0;
let firstWrong = '';

function mistaken(heard: string): void {
  wrong += 1;
  if (wrong === 1) firstWrong = heard.slice(0, 200);
}

async function join({ join: order }: JoinOrder): Promise<{ readonly waiting: number }> {
  const { origin, ids, perOperation, eventsShare } = order;
  const each = ids.flatMap((id) => Array.from({ length: perOperation }, () => id));
  const listeners = Math.round(each.length * eventsShare);
  const stride = listeners === 0 ? Infinity : each.length / listeners;
  for (let start = 0; start < each.length; start += opening) {
    await Promise.all(
      each.slice(start, start + opening).map((id, offset) => {
        const index = start + offset;
        const listens = Math.floor((index + 1) / stride) > Math.floor(index / stride);
        return listens ? listen(origin, id) : poll(origin, id);
      }),
    );
  }
  return { waiting: waiting.size };
}

/** Resolves when the request is on its way. */
async function poll(origin: string, id: string): Promise<void> {
  const connection = new Connection(origin);
  await connection.opened();
  let hasLeft = false;
  const waiter = {
    leave() {
      hasLeft = true;
      connection.close();
    },
  };
  waiting.add(waiter);
  void (async () => {
    const askedAtMs = Date.now();
    const request = `GET /operations/${id}?wait=60 HTTP/1.1\r\nhost: load\r\n\r\n`;
    for (let asks = 0; asks < asksMax && !hasLeft; asks += 1) {
      const sentMs = Date.now();
      const { status, body } = await connection.request(request, true);
      if (hasLeft) break;
      const text = body?.toString() ?? '';
      if (text.includes('"status":"running"') || [429, 503].includes(status)) {
        if (Date.now() - sentMs < soonMs) await new Promise((go) => setTimeout(go, pauseMs));
        continue;
      }
      if (status === 200 && text.includes(id) && text.includes('"status":"succeeded"'))
        told.push({ id, askedAtMs, toldAtMs: Date.now() });
      else mistaken(`${status} ${text}`);
      break;
    }
    waiting.delete(waiter);
    connection.close();
  })();
}

async function listen(origin: string, id: string): Promise<void> {
  const { hostname, port } = new URL(origin);
  const socket: Socket = connect(Number(port), hostname).setNoDelay(true);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  const askedAtMs = Date.now();
  let heard = '';
  let isOver = false;
  const waiter = {
    leave() {
      isOver = true;
      socket.destroy();
    },
  };
  waiting.add(waiter);
  socket.on('data', (chunk: Buffer) => {
    heard = (heard + chunk.toString('latin1')).slice(-4_000);
    const isTold = heard.includes('event: succeeded') && heard.includes(id);
    if (isOver || !isTold) return;
    told.push({ id, askedAtMs, toldAtMs: Date.now() });
    waiter.leave();
  });
  socket.on('close', () => {
    waiting.delete(waiter);
    if (!isOver) mistaken(`the stream ended after ${heard}`);
  });
  socket.write(`GET /operations/${id}/events HTTP/1.1\r\nhost: load\r\n\r\n`);
}

/** Waits until nobody waits any more, or the time is up; then starts anew. */
async function settle(untilMs: number): Promise<CrowdResult> {
  while (waiting.size > 0 && Date.now() < untilMs)
    await new Promise((resolve) => setTimeout(resolve, 20));
  const result = { told, wrong, firstWrong, waiting: waiting.size };
  leave();
  return result;
}

function leave(): object {
  for (const waiter of waiting) waiter.leave();
  waiting.clear();
  told = [];
  wrong = 0;
  firstWrong = '';
  return {};
}

type Message = JoinOrder | { readonly settleUntilMs: number } | { readonly leave: true };

process.on('message', (message: Message) => {
  const done =
    'join' in message
      ? join(message)
      : 'leave' in message
        ? Promise.resolve(leave())
        : settle(message.settleUntilMs);
  void done.then((result) => process.send?.(result));
});
process.send?.({ ready: true });
// Not longer than whoever started it.
process.on('disconnect', () => process.exit());
