import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { FastifyInstance } from 'fastify';
import { buildApp } from '../../src/app.ts';
import { settingsFromEnvironment } from '../../src/config/settings-from-environment.ts';
import { openOperationIds, type OperationIds } from '../../src/operations/operation-id.ts';
import type { UpstreamClient } from '../../src/upstream/upstream-client.ts';
import { checkContracts } from '../support/contract-check.ts';
import { promise } from './fuzz-target.ts';

/** The secret of every gateway here: ids can be sealed without asking one for them. */
const secret = 'a-secret-of-thirty-three-letters!';
export const sealedIds: OperationIds = openOperationIds({
  current: Buffer.from(secret),
  previous: undefined,
});
/** Whose operations a caller without a credential sees. */
export const anonymousTenant = '';

/** An answer as it is judged. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

export interface FuzzedGateway {
  readonly server: FastifyInstance;
  /** Present where it listens. */
  readonly origin: URL;
  /** What answers broke of their contracts since it was asked last. */
  takeViolations(): readonly string[];
  close(): Promise<void>;
}

/**
 * The whole gateway in this process, with its log off and its contracts checked.
 *
 * @param upstream Stands for the upstream; absent: the one at UPSTREAM_ADDRESS.
 */
export async function openFuzzedGateway(
  environment: Readonly<Record<string, string>>,
  upstream?: UpstreamClient,
): Promise<FuzzedGateway> {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'gateway-fuzz-'));
  const settings = settingsFromEnvironment({
    PORT: '0',
    // That the machine is busy is no finding.
    LOOP_DELAY_MS_MAX: '60000',
    DATA_DIR: dataDirectory,
    LOG_LEVEL: 'silent',
    GATEWAY_SECRET: secret,
    // Nothing listens there: where an upstream stands in, it is never asked.
    UPSTREAM_ADDRESS: 'http://127.0.0.1:1',
    UPSTREAM_POLL_INTERVAL_MS: '10',
    RESULT_READS_PER_SECOND_MAX: '100000',
    ...environment,
  });
  const violations: string[] = [];
  const app = await buildApp(settings, pino({ level: 'silent' }), {
    extend: (server) => checkContracts(server, violations),
    ...(upstream !== undefined && { throughUpstream: () => upstream }),
  });
  const origin = new URL(await app.listen());
  return {
    server: app.server,
    origin,
    takeViolations: () => violations.splice(0),
    async close() {
      await app.close();
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}

interface ToldError {
  readonly reason: string | undefined;
  readonly outcome: string | undefined;
}

/** The reason and the outcome that an error tells, in whichever shape it came. */
export function toldError(answer: Answer): ToldError {
  const json = jsonOf(answer);
  const openAi = json['error'] as Record<string, unknown> | undefined;
  if (typeof openAi === 'object' && openAi !== null && answer.status >= 400) {
    return { reason: textOf(openAi['code']), outcome: textOf(openAi['outcome']) };
  }
  if (Array.isArray(json['details'])) {
    const details = json['details'] as readonly Record<string, unknown>[];
    const found = details.find((detail) => typeof detail['reason'] === 'string');
    const metadata = found?.['metadata'] as Record<string, unknown> | undefined;
    return { reason: textOf(found?.['reason']), outcome: textOf(metadata?.['outcome']) };
  }
  return { reason: textOf(json['code']), outcome: textOf(json['outcome']) };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function jsonOf({ headers, body }: Answer): Record<string, unknown> {
  const isJson = /json/.test(String(headers['content-type']));
  if (!isJson || body.length === 0) return {};
  const value: unknown = JSON.parse(body.toString('utf8'));
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** Places may be paths of thousands of characters; what is wrong stands at the end. */
export function shortened(violations: readonly string[]): string {
  return violations
    .map((text) => (text.length > 300 ? `${text.slice(0, 60)} … ${text.slice(-200)}` : text))
    .join('; ');
}

const createPath =
  /^\/(?:v1\/images(?:\/generations)?|foundationModels\/v1\/imageGenerationAsync)$/;

export interface Asked {
  readonly method: string;
  readonly path: string;
  /** Generates that cost money while it was answered. */
  readonly spent: number;
  /** Whether the upstream was made to misbehave: then failures of its kind are right. */
  readonly isUpstreamBad?: boolean;
}

/** What must hold of every answer, whatever was sent. */
export function judge(answer: Answer, asked: Asked, violations: readonly string[]): void {
  const told = toldError(answer);
  const shown = () =>
    `${asked.method} ${asked.path.slice(0, 120)} → ${answer.status} ${answer.body.toString('utf8', 0, 800)}`;
  promise(told.reason !== 'internal_error', () => `an error of the gateway's own: ${shown()}`);
  const isBad = asked.isUpstreamBad === true;
  // The store has 250 ms: on a busy machine its disk is late whatever was sent.
  const isDiskLate = told.reason === 'store_unavailable';
  promise(
    answer.status < 500 || isBad || isDiskLate,
    () => `a failure without a cause: ${shown()}`,
  );
  promise(violations.length === 0, () => `broken contract: ${shortened(violations)}`);
  promise(!/\n\s+at .+:\d+:\d+/.test(answer.body.toString('latin1')), () => `a stack: ${shown()}`);
  const isCreate = asked.method === 'POST' && createPath.test(asked.path.split('?', 1)[0] ?? '');
  if (answer.status >= 400 && isCreate) {
    promise(told.outcome !== undefined, () => `an outcome is not told: ${shown()}`);
  }
  if (told.outcome === 'not_started') {
    promise(asked.spent === 0, () => `not_started, and ${asked.spent} paid: ${shown()}`);
  }
  if (answer.status >= 400 && asked.spent > 0) {
    promise(told.outcome !== undefined, () => `paid for, and not told so: ${shown()}`);
  }
  promise(asked.spent === 0 || isCreate, () => `paid for what is no create: ${shown()}`);
}
