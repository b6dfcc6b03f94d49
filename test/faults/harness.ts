import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AppOptions } from '../../src/app.ts';
import { GatewayProcess } from '../fleet/gateway-process.ts';
import { recordFigure, type Figure } from '../support/figure.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { TcpGate, type GateState } from '../support/tcp-gate.ts';
import {
  ObservedCallers,
  type ObservedCallersOptions,
  type FrontDoor,
} from './observed-callers.ts';
import type { Observations, BilledTimes } from './observations.ts';
import { ImageUpstream } from './image-upstream.ts';

/** One kind of upstream failure, with its recovery. */
export interface Scenario {
  readonly name: string;
  /** What must hold, in the present tense. */
  readonly fact: string;
  /** Longest duration of the short and the long form. */
  readonly secondsMax: readonly [short: number, long: number];
  /** @returns A sentence with the figures of the run. */
  readonly run: (harness: Harness) => Promise<string>;
}

/** The totals of a run of all scenarios. */
export interface Tally {
  creates: number;
  reads: number;
  byReport: Record<string, number>;
  findings: number;
}

/** The parts of one scenario: it opens gateways and upstreams, audits the observations, and closes everything. */
export class Harness {
  readonly isLong: boolean;
  readonly findings: string[] = [];
  readonly #tally: Tally;
  readonly #opened: (() => Promise<void>)[] = [];
  readonly #audited: { readonly observations: Observations; readonly ledger: () => BilledTimes }[] =
    [];

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

  /** A whole gateway; its responses and log lines are checked when it closes. */
  async gateway(environment: Record<string, string>, options?: AppOptions): Promise<Gateway> {
    const gateway = await startGateway(
      { LOG_LEVEL: 'debug', SHUTDOWN_TIMEOUT_MS: '2000', ...environment },
      options,
    );
    this.closeLater(() => gateway.close());
    return gateway;
  }

  /** A gateway in its own process, for more connections than one process may have. */
  async gatewayProcess(environment: Record<string, string>): Promise<FrontDoor> {
    const dataDirectory = await mkdtemp(join(tmpdir(), 'gateway-faults-'));
    this.closeLater(() => rm(dataDirectory, { recursive: true, force: true }));
    const gateway = await GatewayProcess.start('dist/main.js', {
      DATA_DIR: dataDirectory,
      LOG_LEVEL: 'info',
      SHUTDOWN_TIMEOUT_MS: '2000',
      // Load shedding for a busy event loop is not tested here.
      LOOP_DELAY_MS_MAX: '10000',
      ...environment,
    });
    this.closeLater(() => gateway.stop());
    const { origin } = gateway;
    return { origin, fetch: (path, init) => fetch(new URL(path, origin), init) };
  }

  /** Closes something when the scenario ends; the last one first. */
  closeLater(close: () => Promise<void>): void {
    this.#opened.push(close);
  }

  /** Callers of a gateway. Their observations are compared with the upstream's ledger at the end. */
  callers(
    gateway: FrontDoor,
    upstream: ImageUpstream | undefined,
    options: ObservedCallersOptions,
  ): ObservedCallers {
    const callers = new ObservedCallers(gateway, options);
    this.#audited.push({
      observations: callers.observations,
      ledger: () => upstream?.billedTimes ?? new Map(),
    });
    return callers;
  }

  /** Audits all observations, also after a scenario failed. */
  audit(): void {
    for (const { observations, ledger } of this.#audited.splice(0)) {
      const findings = observations.audit(ledger());
      this.findings.push(...findings);
      this.#tally.creates += observations.creates.length;
      this.#tally.reads += observations.reads.length;
      this.#tally.findings += findings.length;
      for (const { reported } of observations.creates) {
        this.#tally.byReport[reported] = (this.#tally.byReport[reported] ?? 0) + 1;
      }
    }
  }

  check(holds: boolean, finding: string): void {
    if (!holds) this.findings.push(finding);
  }

  /** Prints a figure; only that of the long form is recorded. */
  figure(figure: Figure): void {
    if (this.isLong) recordFigure(figure);
    else {
      const { promise, isMet, seen, goal } = figure;
      const result = isMet ? 'met' : 'MISSED';
      process.stdout.write(`${promise} ${result}, short form: ${seen} (promised: ${goal})\n`);
    }
  }

  async close(): Promise<void> {
    for (const close of this.#opened.splice(0).toReversed()) {
      await close().catch((error: unknown) => this.findings.push(String(error)));
    }
  }
}
