import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { buildApp, type App, type AppOptions } from '../../src/app.ts';
import { settingsFromEnvironment } from '../../src/config/settings-from-environment.ts';
import type { DrainLimits, DrainPhase } from '../../src/lifecycle/drain.ts';
import { checkContracts } from './contract-check.ts';
import { Exposition } from './exposition.ts';
import { LeakCheck } from './leak-check.ts';
import { OutcomeCheck } from './outcome-check.ts';

export interface Gateway {
  readonly origin: string;
  /** Every log line so far. */
  readonly logLines: readonly string[];
  /** `fetch` for a path of this gateway. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** The URL of /metrics; undefined without METRICS_PORT. */
  readonly metricsAddress: string | undefined;
  /** What /metrics serves now. Needs METRICS_PORT. */
  metrics(): Promise<Exposition>;
  /** POST of a JSON value to /v1/images. */
  create(body: unknown, headers?: Record<string, string>): Promise<Response>;
  /** Begins to close it, as its process does on SIGTERM. */
  drain(limits: DrainLimits): Promise<boolean>;
  /** How far its close has come. */
  readonly drainPhase: DrainPhase;
  /** Closes it, and fails if any response broke its contract, or any log line held a secret or a prompt. */
  close(): Promise<void>;
}

/** Starts the whole gateway on a free port, with a data directory of its own, settings as an operator would give them. */
export async function startGateway(
  environment: Record<string, string> = {},
  options: AppOptions = {},
): Promise<Gateway> {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'gateway-test-'));
  const settings = settingsFromEnvironment({
    PORT: '0',
    DATA_DIR: dataDirectory,
    UPSTREAM_ADDRESS: 'embedded',
    LOG_LEVEL: 'trace',
    // Many tests share this machine's cores, so the loop may be late.
    LOOP_DELAY_MS_MAX: '10000',
    DRAIN_DELAY_MS: '0',
    // To count leaks, everything that can be written is written.
    ...(LeakCheck.countsFile !== undefined && { METRICS_PORT: '0' }),
    ...environment,
    ...(LeakCheck.countsFile !== undefined && { LOG_LEVEL: 'trace' }),
  });
  const logLines: string[] = [];
  const violations: string[] = [];
  const leaks = new LeakCheck(environment);
  const outcomes = new OutcomeCheck();
  const log = pino({ level: settings.LOG_LEVEL, base: null }, collector(logLines));
  const app = await buildApp(settings, log, {
    ...options,
    extend: (server) => {
      checkContracts(server, violations);
      leaks.watch(server, violations);
      outcomes.watch(server);
      options.extend?.(server);
    },
  });
  const origin = await app.listen();
  const gateway: Gateway = {
    origin,
    logLines,
    metricsAddress: app.metricsAddress,
    metrics: async () => new Exposition(await (await fetch(app.metricsAddress ?? '')).text()),
    fetch: (path, init) => fetch(new URL(path, origin), init),
    create: (body, headers = {}) =>
      gateway.fetch('/v1/images', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    drain: (limits) => app.close(limits),
    get drainPhase() {
      return app.drainPhase;
    },
    async close() {
      // Begun in this turn of the loop: tests look at what a gateway does while it closes.
      const closed = app.close();
      const metrics = await metricsTextOf(app);
      await closed;
      await rm(dataDirectory, { recursive: true, force: true });
      violations.push(...leaks.violations(logLines, metrics), ...outcomes.violations(logLines));
      if (violations.length > 0) throw new Error(`broken promises:\n${violations.join('\n')}`);
    },
  };
  return gateway;
}

/** The text of /metrics; empty where it is not served. */
async function metricsTextOf(app: App): Promise<string> {
  if (!('metricsAddress' in app) || typeof app.metricsAddress !== 'string') return '';
  // It closes last; a gateway that has nothing to wait for may still be faster.
  const options = { headers: { connection: 'close' }, signal: AbortSignal.timeout(1_000) };
  return fetch(app.metricsAddress, options).then(
    (response) => response.text(),
    () => '',
  );
}

function collector(lines: string[]): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
}
