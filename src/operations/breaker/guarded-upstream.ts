import { GatewayError } from '../../errors/gateway-error.ts';
import type { Reason } from '../../errors/reason.ts';
import type { UpstreamClient } from '../../upstream/upstream-client.ts';
import { Breaker, type BreakerState } from './breaker.ts';
import type { Clock } from '../../clock/clock.ts';
import type { Random } from '../../clock/random.ts';

/** Methods that have a breaker each. */
export type GuardedMethod = 'Generate' | 'Get' | 'Cancel';

export interface BreakerObserver {
  breakerChanged(method: GuardedMethod, state: BreakerState): void;
}

/** An upstream that is not called while it is known not to respond. */
export interface GuardedUpstream extends UpstreamClient {
  /** Milliseconds for which a call would only be refused; 0 when it may go. */
  openForMs(method: GuardedMethod): number;
  stateOf(method: GuardedMethod): BreakerState;
}

/** The error for a call that was not made, because the ones before got no response. */
export class CircuitOpen extends GatewayError {
  readonly retryAfterMs: number;

  constructor(retryAfterMs: number, isGenerate: boolean) {
    super('upstream_unavailable', 'the upstream does not respond; the gateway keeps trying it', {
      retryAfterS: Math.max(1, Math.ceil(retryAfterMs / 1000)),
      ...(isGenerate && { outcome: 'not_started' }),
    });
    this.retryAfterMs = retryAfterMs;
  }
}

/** A paid call is risked at most once a minute; a read costs nothing and is tried sooner. */
const paidOpenMsMax = 60_000;
const freeOpenMsMax = 3_000;

/** Reasons that mean the upstream, or the way to it, does not work. */
const counted: ReadonlySet<Reason> = new Set([
  'upstream_unavailable',
  'upstream_timeout',
  'upstream_error',
  'bad_upstream_result',
]);

/** Of these: what may lie in the one operation that was asked about. */
const countedOncePerOperation: ReadonlySet<Reason> = new Set([
  'upstream_timeout',
  'upstream_error',
  'bad_upstream_result',
]);

/** Puts a breaker before each method. */
export function guardedUpstream(
  upstream: UpstreamClient,
  parts: {
    readonly clock: Clock;
    readonly random: Random;
    readonly observer?: BreakerObserver | undefined;
  },
): GuardedUpstream {
  const { clock, random, observer } = parts;
  const open = (method: GuardedMethod, probe?: () => Promise<boolean>) =>
    new Breaker({
      clock,
      random,
      openMsMax: method === 'Generate' ? paidOpenMsMax : freeOpenMsMax,
      probe,
      changed: (state) => observer?.breakerChanged(method, state),
    });
  const breakers = {
    Generate: open('Generate', () => isAlive(upstream)),
    Get: open('Get'),
    Cancel: open('Cancel'),
  };
  const guarded = async <Result>(
    method: GuardedMethod,
    call: () => Promise<Result>,
    operationId?: string,
  ): Promise<Result> => {
    const breaker = breakers[method];
    const permit = breaker.acquire();
    if (permit === undefined) throw new CircuitOpen(breaker.openForMs(), method === 'Generate');
    try {
      const result = await call();
      permit.responded();
      return result;
    } catch (error) {
      if (isCounted(error)) permit.failed(mayLieInOperation(error) ? operationId : undefined);
      else permit.responded();
      throw error;
    }
  };
  return {
    generate: (request, options) => guarded('Generate', () => upstream.generate(request, options)),
    getOperation: (id, options) => guarded('Get', () => upstream.getOperation(id, options), id),
    cancelOperation: (id, options) =>
      guarded('Cancel', () => upstream.cancelOperation(id, options), id),
    probe: () => upstream.probe(),
    get ready() {
      return upstream.ready;
    },
    close: (generateGraceMs) => {
      for (const breaker of Object.values(breakers)) breaker.close();
      return upstream.close(generateGraceMs);
    },
    openForMs: (method) => breakers[method].openForMs(),
    stateOf: (method) => breakers[method].state,
  };
}

function isCounted(error: unknown): boolean {
  if (!(error instanceof GatewayError)) return true;
  return error.isUpstreamFailure ?? counted.has(error.reason);
}

function mayLieInOperation(error: unknown): boolean {
  return !(error instanceof GatewayError) || countedOncePerOperation.has(error.reason);
}

async function isAlive(upstream: UpstreamClient): Promise<boolean> {
  try {
    await upstream.probe();
    return true;
  } catch {
    return false;
  }
}
