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

/** A response, as far as it is checked. */
export interface FuzzedResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

export interface FuzzedGateway {
  readonly server: FastifyInstance;
  /** Present where it listens. */
  readonly origin: URL;
  /** Contract violations since the last call. */
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

interface ReportedError {
  readonly reason: string | undefined;
  readonly outcome: string | undefined;
}

/** The reason and the outcome in an error response, in the form of any surface. */
export function reportedError(response: FuzzedResponse): ReportedError {
  const json = jsonOf(response);
  const openAi = json['error'] as Record<string, unknown> | undefined;
  if (typeof openAi === 'object' && openAi !== null && response.status >= 400) {
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

function jsonOf({ headers, body }: FuzzedResponse): Record<string, unknown> {
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

export interface CheckedRequest {
  readonly method: string;
  readonly path: string;
  /** Generates that cost money during the request. */
  readonly spent: number;
  /** Whether the upstream was made to misbehave: then failures of its kind are right. */
  readonly isUpstreamBad?: boolean;
}

/** What must hold for every response, whatever was sent. */
export function checkResponse(
  response: FuzzedResponse,
  asked: CheckedRequest,
  violations: readonly string[],
): void {
  const reported = reportedError(response);
  const shown = () =>
    `${asked.method} ${asked.path.slice(0, 120)} → ${response.status} ${response.body.toString('utf8', 0, 800)}`;
  promise(reported.reason !== 'internal_error', () => `an error of the gateway's own: ${shown()}`);
  const isBad = asked.isUpstreamBad === true;
  // The store has 250 ms: on a busy machine its disk is late whatever was sent.
  const isDiskLate = reported.reason === 'store_unavailable';
  promise(
    response.status < 500 || isBad || isDiskLate,
    () => `a failure without a cause: ${shown()}`,
  );
  promise(violations.length === 0, () => `broken contract: ${shortened(violations)}`);
  promise(
    !/\n\s+at .+:\d+:\d+/.test(response.body.toString('latin1')),
    () => `a stack: ${shown()}`,
  );
  const isCreate = asked.method === 'POST' && createPath.test(asked.path.split('?', 1)[0] ?? '');
  if (response.status >= 400 && isCreate) {
    promise(reported.outcome !== undefined, () => `the outcome is missing: ${shown()}`);
  }
  if (reported.outcome === 'not_started') {
    promise(asked.spent === 0, () => `not_started, and ${asked.spent} paid: ${shown()}`);
  }
  if (response.status >= 400 && asked.spent > 0) {
    promise(
      reported.outcome !== undefined,
      () => `paid for, and the outcome is missing: ${shown()}`,
    );
  }
  promise(asked.spent === 0 || isCreate, () => `paid for what is no create: ${shown()}`);
}
