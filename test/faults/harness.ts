import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AppOptions } from '../../src/app.ts';
import { GatewayProcess } from '../fleet/gateway-process.ts';
import { recordFigure, type Figure } from '../support/figure.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { TcpGate, type GateState } from '../support/tcp-gate.ts';
import { Audience, type AudienceOptions, type FrontDoor } from './audience.ts';
import type { History, Spent } from './history.ts';
import { ImageUpstream } from './image-upstream.ts';

/** One kind of trouble, played through to its end. */
export interface Scenario {
  readonly name: string;
  /** What holds, in the present tense. */
  readonly fact: string;
  /** Longest it may take, short and long. */
  readonly secondsMax: readonly [short: number, long: number];
  /** @returns What was seen, with its figures. */
  readonly run: (stage: Stage) => Promise<string>;
}

/** What a run of all scenarios adds up to. */
export interface Tally {
  creates: number;
  tellings: number;
  bySpend: Record<string, number>;
  faults: number;
}

/** What a scenario is played on: it opens the parts, judges the history, and closes everything. */
export class Stage {
  readonly isLong: boolean;
  readonly faults: string[] = [];
  readonly #tally: Tally;
  readonly #opened: (() => Promise<void>)[] = [];
  readonly #heard: { readonly history: History; readonly spent: () => Spent }[] = [];

  constructor(options: { readonly isLong: boolean; readonly tally: Tally }) {
    this.isLong = options.isLong;
    this.#tally = options.tally;
  }

  async upstream(options: Parameters<typeof ImageUpstream.start>[0] = {}) {
    const upstream = await ImageUpstream.start(options);
    this.closeLater(() => upstream.close());
    return upstream;
  }

  async gate(targetPort: number, state?: GateState): Promise<TcpGate> {
    const gate = await TcpGate.open(targetPort, state);
    this.closeLater(() => gate.close());
    return gate;
  }

  /** A whole gateway; what it promises of answers and logs is checked when it closes. */
  async gateway(environment: Record<string, string>, options?: AppOptions): Promise<Gateway> {
    const gateway = await startGateway(
      { LOG_LEVEL: 'debug', SHUTDOWN_TIMEOUT_MS: '2000', ...environment },
      options,
    );
    this.closeLater(() => gateway.close());
    return gateway;
  }

  /** The same as a process of its own, for more connections than one process may have. */
  async gatewayProcess(environment: Record<string, string>): Promise<FrontDoor> {
    const dataDirectory = await mkdtemp(join(tmpdir(), 'gateway-faults-'));
    this.closeLater(() => rm(dataDirectory, { recursive: true, force: true }));
    const gateway = await GatewayProcess.start('dist/main.js', {
      DATA_DIR: dataDirectory,
      LOG_LEVEL: 'info',
      SHUTDOWN_TIMEOUT_MS: '2000',
      // A loop that is busy with waiters, on a busy machine, is not what is played here.
      LOOP_DELAY_MS_MAX: '10000',
      ...environment,
    });
    this.closeLater(() => gateway.stop());
    const { origin } = gateway;
    return { origin, fetch: (path, init) => fetch(new URL(path, origin), init) };
  }

  /** What is opened last is closed first. */
  closeLater(close: () => Promise<void>): void {
    this.#opened.push(close);
  }

  /** Callers of a gateway. What they are told is compared with the upstream's books at the end. */
  audience(
    gateway: FrontDoor,
    upstream: ImageUpstream | undefined,
    options: AudienceOptions,
  ): Audience {
    const audience = new Audience(gateway, options);
    this.#heard.push({ history: audience.history, spent: () => upstream?.spent ?? new Map() });
    return audience;
  }

  /** Also of a scenario that broke off. */
  judge(): void {
    for (const { history, spent } of this.#heard.splice(0)) {
      const faults = history.faults(spent());
      this.faults.push(...faults);
      this.#tally.creates += history.creates.length;
      this.#tally.tellings += history.tellings.length;
      this.#tally.faults += faults.length;
      for (const { spend } of history.creates) {
        this.#tally.bySpend[spend] = (this.#tally.bySpend[spend] ?? 0) + 1;
      }
    }
  }

  demand(holds: boolean, what: string): void {
    if (!holds) this.faults.push(what);
  }

  /** Shows a figure; the short form shows too little to be kept. */
  figure(figure: Figure): void {
    if (this.isLong) recordFigure(figure);
    else {
      const { promise, isMet, seen, goal } = figure;
      const verdict = isMet ? 'met' : 'MISSED';
      process.stdout.write(`${promise} ${verdict}, short form: ${seen} (promised: ${goal})\n`);
    }
  }

  async close(): Promise<void> {
    for (const close of this.#opened.splice(0).toReversed()) {
      await close().catch((error: unknown) => this.faults.push(String(error)));
    }
  }
}
