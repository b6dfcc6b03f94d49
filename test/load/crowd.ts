import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Connection } from '../../bench/connection.ts';

// The crowd: a process of many waiters, each on its own connection, with a long poll or an event stream.

export interface JoinOrder {
  readonly join: {
    readonly origin: string;
    readonly ids: readonly string[];
    readonly perOperation: number;
    /** Part of the waiters that use an event stream. */
    readonly eventsShare: number;
  };
}

/** A waiter that learned that its operation ended. */
export interface ServedWaiter {
  readonly id: string;
  readonly askedAtMs: number;
  readonly servedAtMs: number;
}

export interface CrowdResult {
  readonly served: readonly ServedWaiter[];
  /** Waiters that got something else, or whose connection broke, with the first such response. */
  readonly wrong: number;
  readonly firstWrong: string;
  readonly waiting: number;
}

/** How many connections are opened at a time, so that none is refused. */
const opening = 100;
/** How often a waiter asks again when its wait ends without a result. */
const asksMax = 200;
/** A wait that ends sooner than this is repeated after a pause. */
const soonMs = 5_000;
const pauseMs = 1_000;

interface Waiting {
  leave(): void;
}

const waiting = new Set<Waiting>();
let served: ServedWaiter[] = [];
let wrong = 0;
let firstWrong = '';

function wrongResponse(heard: string): void {
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

/** Resolves when the request is sent. */
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
        served.push({ id, askedAtMs, servedAtMs: Date.now() });
      else wrongResponse(`${status} ${text}`);
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
    const isServed = heard.includes('event: succeeded') && heard.includes(id);
    if (isOver || !isServed) return;
    served.push({ id, askedAtMs, servedAtMs: Date.now() });
    waiter.leave();
  });
  socket.on('close', () => {
    waiting.delete(waiter);
    if (!isOver) wrongResponse(`the stream ended after ${heard}`);
  });
  socket.write(`GET /operations/${id}/events HTTP/1.1\r\nhost: load\r\n\r\n`);
}

/** Resolves when no waiter is left, or the time is over; then the crowd is empty again. */
async function settle(untilMs: number): Promise<CrowdResult> {
  while (waiting.size > 0 && Date.now() < untilMs)
    await new Promise((resolve) => setTimeout(resolve, 20));
  const result = { served, wrong, firstWrong, waiting: waiting.size };
  leave();
  return result;
}

function leave(): object {
  for (const waiter of waiting) waiter.leave();
  waiting.clear();
  served = [];
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
// Ends with the process that started it.
process.on('disconnect', () => process.exit());
