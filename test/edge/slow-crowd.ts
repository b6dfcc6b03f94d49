import { connect, type Socket } from 'node:net';
import { PacedReader } from './paced-reader.ts';

export const slowKinds = [
  'slow headers',
  'dripping bodies',
  'silent sockets',
  'slow readers',
] as const;
export type SlowKind = (typeof slowKinds)[number];

/** How long each of a kind must live at most, and did. */
export interface SlowLives {
  readonly kind: SlowKind;
  readonly boundMs: number;
  readonly livedMs: readonly number[];
  /** Those that never got in, or were let go before their bound. */
  readonly early: number;
}

const boundsMs = {
  'slow headers': 5_000,
  'dripping bodies': 10_000,
  'silent sockets': 5_000,
  'slow readers': 10_000,
} as const satisfies Record<SlowKind, number>;

const dripMs = 1_000;
/** A quarter of what is asked of a reader. */
const slowBytesPerSecond = 8_192;

/** Connections that all hold on for as long as they are let. */
export class SlowCrowd {
  readonly #origin: string;
  readonly #imagePath: string;
  readonly #lives: Promise<{ kind: SlowKind; livedMs: number }>[] = [];
  readonly #closes: (() => void)[] = [];

  constructor(origin: string, options: { readonly imagePath: string }) {
    this.#origin = origin;
    this.#imagePath = options.imagePath;
  }

  /** Adds one, of the kind whose turn it is. */
  add(index: number): void {
    const kind = slowKinds[index % slowKinds.length] ?? 'silent sockets';
    this.#lives.push(this.#start(kind, index).then((livedMs) => ({ kind, livedMs })));
  }

  /** Resolves when all are gone. Those that outlive the limit are closed, and count as having lived that long. */
  async ended(limitMs: number): Promise<readonly SlowLives[]> {
    const force = setTimeout(() => this.#closes.forEach((close) => close()), limitMs);
    const lives = await Promise.all(this.#lives);
    clearTimeout(force);
    return slowKinds.map((kind) => {
      const boundMs = boundsMs[kind];
      const livedMs = lives.filter((life) => life.kind === kind).map((life) => life.livedMs);
      return { kind, boundMs, livedMs, early: livedMs.filter((ms) => ms < boundMs - 500).length };
    });
  }

  #start(kind: SlowKind, index: number): Promise<number> {
    switch (kind) {
      case 'slow readers': {
        // One half reads nothing, the other a little.
        const bytesPerSecond = index % 8 < slowKinds.length ? 0 : slowBytesPerSecond;
        const reader = new PacedReader(this.#origin, { path: this.#imagePath, bytesPerSecond });
        this.#closes.push(() => reader.close());
        return reader.gone;
      }
      case 'slow headers':
        return this.#drip('GET /livez HTTP/1.1\r\nhost: x\r\n', `x-${index}: y\r\n`);
      case 'dripping bodies':
        return this.#drip(
          'POST /v1/images HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{',
          ' ',
        );
      case 'silent sockets':
        return this.#drip('', '');
    }
  }

  /** Resolves with how long the connection lived. */
  #drip(first: string, drip: string): Promise<number> {
    const { hostname, port } = new URL(this.#origin);
    return new Promise((resolve) => {
      let startMs = Number.NaN;
      let timer: NodeJS.Timeout | undefined;
      const socket: Socket = connect(Number(port), hostname, () => {
        startMs = performance.now();
        if (first !== '') socket.write(first);
        if (drip !== '') timer = setInterval(() => socket.write(drip), dripMs);
      });
      socket.on('error', () => undefined).resume();
      socket.once('close', () => {
        clearInterval(timer);
        resolve(performance.now() - startMs);
      });
      this.#closes.push(() => socket.destroy());
    });
  }
}
