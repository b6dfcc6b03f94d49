import { Connection } from '../../bench/connection.ts';
import { FlowObservations, patienceMs, type FlowResult } from './flow-observations.ts';
import type { FlowOrder } from './flow-order.ts';

// The flow: a process that sends requests on a schedule, whether or not earlier ones have a response (open loop).

const tickMs = 2;
/** How long responses are awaited after the last request. */
const afterMsMax = 30_000;

interface Departure {
  readonly stream: number;
  readonly scheduledMs: number;
}

class Flow {
  readonly #order: FlowOrder;
  readonly #observations: FlowObservations;
  readonly #free: Connection[] = [];
  readonly #queue: Departure[] = [];
  /** Index of the first request in the queue that is not sent. */
  #head = 0;
  readonly #sent: number[];
  #open = 0;
  #opened = 0;
  #inFlight = 0;
  readonly #startMs = performance.now();

  constructor(order: FlowOrder) {
    this.#order = order;
    this.#sent = order.streams.map(() => 0);
    this.#observations = new FlowObservations(order);
  }

  async run(): Promise<FlowResult> {
    const cpu = process.cpuUsage();
    await (this.#order.closedLoop === undefined ? this.#runOpen() : this.#runClosed());
    const { user, system } = process.cpuUsage(cpu);
    const cpuShare = (user + system) / 1_000 / this.#nowMs();
    while (this.#inFlight > 0 && this.#nowMs() < this.#endMs + afterMsMax) await ticks();
    this.#observations.unanswered += this.#inFlight;
    for (const connection of this.#free) connection.close();
    return this.#observations.result(cpuShare);
  }

  get #endMs(): number {
    return this.#order.phaseSeconds.reduce((sum, seconds) => sum + seconds, 0) * 1_000;
  }

  #nowMs(): number {
    return performance.now() - this.#startMs;
  }

  async #runOpen(): Promise<void> {
    const { streams, phaseSeconds } = this.#order;
    let phaseStartMs = 0;
    let lastTickMs = 0;
    for (const [phase, seconds] of phaseSeconds.entries()) {
      const due = streams.map(() => 0);
      const phaseEndMs = phaseStartMs + seconds * 1_000;
      for (let nowMs = this.#nowMs(); nowMs < phaseEndMs; nowMs = this.#nowMs()) {
        this.#observations.ticked(nowMs - lastTickMs - tickMs);
        lastTickMs = nowMs;
        for (const [index, { perSecond }] of streams.entries()) {
          const gapMs = 1_000 / (perSecond[phase] ?? 0);
          for (; phaseStartMs + (due[index] ?? 0) * gapMs <= nowMs; due[index]! += 1) {
            const scheduledMs = phaseStartMs + (due[index] ?? 0) * gapMs;
            this.#observations.due(index, scheduledMs);
            this.#queue.push({ stream: index, scheduledMs });
          }
        }
        this.#drain();
        await ticks();
      }
      phaseStartMs = phaseEndMs;
    }
    for (let index = this.#head; index < this.#queue.length; index += 1) this.#giveUp(index);
    this.#head = this.#queue.length;
  }

  /** Sends due requests while there are connections. */
  #drain(): void {
    for (; this.#head < this.#queue.length; this.#head += 1) {
      const departure = this.#queue[this.#head]!;
      if (this.#nowMs() - departure.scheduledMs > patienceMs) {
        this.#giveUp(this.#head);
        continue;
      }
      const connection = this.#connection();
      if (connection === undefined) break;
      void this.#send(connection, departure);
    }
    if (this.#head > 10_000) this.#queue.splice(0, this.#head);
    if (this.#head > 10_000) this.#head = 0;
  }

  #giveUp(index: number): void {
    const { stream, scheduledMs } = this.#queue[index]!;
    this.#observations.gaveUp(stream, scheduledMs);
  }

  #connection(): Connection | undefined {
    for (let free = this.#free.pop(); free !== undefined; free = this.#free.pop()) {
      if (free.isOpen) return free;
      this.#open -= 1;
    }
    if (this.#open >= this.#order.connectionsMax) return undefined;
    this.#open += 1;
    const { origins } = this.#order;
    this.#opened += 1;
    return new Connection(origins[this.#opened % origins.length] ?? '');
  }

  async #send(connection: Connection, { stream, scheduledMs }: Departure): Promise<void> {
    const { requests } = this.#order.streams[stream]!;
    const text = requests[this.#sent[stream]! % requests.length] ?? '';
    this.#sent[stream]! += 1;
    this.#inFlight += 1;
    const { status } = await connection.request(text, false);
    this.#inFlight -= 1;
    this.#observations.answered({
      stream,
      scheduledMs,
      status,
      tookMs: this.#nowMs() - scheduledMs,
    });
    if (connection.isOpen) this.#free.push(connection);
    else this.#open -= 1;
    if (this.#head < this.#queue.length) this.#drain();
  }

  async #runClosed(): Promise<void> {
    const { streams, closedLoop = 1 } = this.#order;
    const shares = streams.map(({ perSecond }) => perSecond[0] ?? 0);
    const total = shares.reduce((sum, share) => sum + share, 0);
    const caller = async () => {
      while (this.#nowMs() < this.#endMs) {
        let drawn = Math.random() * total;
        const stream = shares.findIndex((share) => (drawn -= share) < 0);
        const connection = this.#connection();
        if (connection === undefined) return;
        const departure = { stream, scheduledMs: this.#nowMs() };
        this.#observations.due(stream, departure.scheduledMs);
        await this.#send(connection, departure);
      }
    };
    await Promise.all(Array.from({ length: closedLoop }, caller));
  }
}

function ticks(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, tickMs));
}

process.on('message', (order: FlowOrder) => {
  void new Flow(order).run().then((result) => process.send?.(result));
});
process.send?.({ ready: true });
// Ends with the process that started it.
process.on('disconnect', () => process.exit());
