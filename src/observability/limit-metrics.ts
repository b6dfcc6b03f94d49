import { Counter, Gauge, type Registry } from 'prom-client';

interface LimitState {
  readonly name: string;
  readonly quantity: number;
  readonly remaining: number;
  readonly resetS: number;
}

const shedKinds = ['create', 'wait', 'base64', 'bytes'] as const;

/** The kind of work that was shed. */
export type ShedKind = (typeof shedKinds)[number];
export type BreakerState = 'closed' | 'half-open' | 'open';

const limitNames: ReadonlySet<string> = new Set([
  ...['minute', 'day', 'concurrent', 'token', 'gateway', 'gateway-day'],
]);
const breakerLevels = { closed: 0, 'half-open': 1, open: 2 } as const satisfies Record<
  BreakerState,
  number
>;

/** The metrics of refused requests, which protect an account, the upstream or the process. */
export function limitMetrics(registry: Registry, elapsedMs: () => number) {
  const registers = [registry];
  const limited = new Counter({
    name: 'gateway_limited_total',
    help: 'Creates refused because a limit was used up, by limit: minute, day, concurrent and token belong to one caller, gateway and gateway-day to all callers.',
    labelNames: ['limit'],
    registers,
  });
  // Each series starts at 0, else Prometheus does not see its first increase.
  for (const limit of limitNames) limited.inc({ limit }, 0);
  const shed = new Counter({
    name: 'gateway_shed_total',
    help: 'Requests refused because memory or the event loop is near its limit, by kind of work.',
    labelNames: ['kind'],
    registers,
  });
  for (const kind of shedKinds) shed.inc({ kind }, 0);
  const breaker = new Gauge({
    name: 'gateway_breaker_state',
    help: 'Circuit breaker of an upstream method: 0 closed, 1 half-open (one call at a time), 2 open.',
    labelNames: ['method'],
    registers,
  });
  for (const method of ['Generate', 'Get', 'Cancel']) breaker.set({ method }, breakerLevels.closed);
  const quantities = new Gauge({
    name: 'gateway_limit_quantity',
    help: 'Images that a limit over all callers allows in its window.',
    labelNames: ['limit'],
    registers,
  });
  const known = new Map<string, LimitState & { readonly seenAtMs: number }>();
  const remaining: Gauge<'limit'> = new Gauge({
    name: 'gateway_limit_remaining',
    help: 'Images that a limit over all callers still allows, as of the last create.',
    labelNames: ['limit'],
    registers,
    collect: () => {
      for (const { name, quantity, seenAtMs, resetS, ...state } of known.values()) {
        // Only creates ask the store. A window that has ended since is whole again.
        const isOver = elapsedMs() - seenAtMs >= resetS * 1000;
        remaining.set({ limit: name }, isOver ? quantity : state.remaining);
        quantities.set({ limit: name }, quantity);
      }
    },
  });
  return {
    limited: (limit: string) => limited.inc({ limit: limitNames.has(limit) ? limit : 'other' }),
    limitsSeen(states: readonly LimitState[]) {
      for (const state of states) {
        // A single caller has no series: the number of callers has no bound, and their names are private.
        const isOverAllCallers = state.name === 'gateway' || state.name === 'gateway-day';
        if (isOverAllCallers) known.set(state.name, { ...state, seenAtMs: elapsedMs() });
      }
    },
    shed: (kind: ShedKind) => shed.inc({ kind }),
    breakerChanged: (method: 'Generate' | 'Get' | 'Cancel', state: BreakerState) =>
      breaker.set({ method }, breakerLevels[state]),
  };
}
