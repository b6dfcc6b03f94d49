import { spendFindings } from '../support/spend-audit.ts';
import type { Attempt, Intent } from './simulated-caller.ts';
import { simulatedIds } from './simulated-gateway.ts';
import type { Bill } from './simulated-upstream.ts';

/** All that one history left to compare. */
export interface Evidence {
  readonly intents: readonly Intent[];
  readonly attempts: readonly Attempt[];
  /** The last attempt of each intent, made when nothing went wrong any more. */
  readonly last: ReadonlyMap<Intent, Attempt>;
  /** The upstream's spend ledger. */
  readonly ledger: readonly Bill[];
  /** How far any gateway's wall time was off, at most. */
  readonly skewMsMax: number;
  /** Whether the upstream is the service: then nothing stays unknown. */
  readonly isService: boolean;
}

/** Compares the upstream's ledger with what callers observed. @returns Every disagreement, in words. */
export function violationsOf(evidence: Evidence): readonly string[] {
  return [
    ...evidence.attempts.flatMap((attempt) => dishonest(attempt, evidence)),
    ...evidence.intents.flatMap((intent) => unsound(intent, evidence)),
    ...overLimits(evidence),
  ];
}

/** P3: a caller who reads "not started" is not billed, and one who gets an operation is. */
function dishonest({ name, observed, intent }: Attempt, { ledger }: Evidence): readonly string[] {
  const own = ledger.filter(({ attempt }) => attempt === name);
  const upstreamId = observed.kind === 'accepted' ? upstreamIdOf(observed.id, intent) : undefined;
  // A replay was billed with an earlier attempt.
  const bill = ledger.find((other) => other.upstreamId === upstreamId);
  const billedTimes = Math.max(own.length, bill === undefined ? 0 : 1);
  const violations = [...spendFindings({ reports: [observed.kind], billedTimes })];
  if (observed.kind === 'accepted') {
    if (bill === undefined && own.length > 0)
      violations.push('got an operation that is not billed');
    if (bill !== undefined && bill.prompt !== intent.prompt) {
      violations.push('got the image of another request');
    }
    if (observed.isReplay && own.length > 0) violations.push('was replayed, and billed as well');
  }
  return violations.map((violation) => `${name}: ${violation}`);
}

/** P1: one key, one bill; one operation; and in the end a definite response. */
function unsound(
  intent: Intent,
  { attempts, ledger, last, isService }: Evidence,
): readonly string[] {
  if (intent.key === undefined) return [];
  const billed = ledger.filter(({ prompt }) => prompt === intent.prompt).length;
  const own = attempts.filter((attempt) => attempt.intent === intent);
  const operationIds = own.flatMap(({ observed: { kind, ...rest } }) =>
    kind === 'accepted' && 'id' in rest ? [upstreamIdOf(rest.id, intent) ?? rest.id] : [],
  );
  const reports = own.map(({ observed: { kind } }) => kind);
  const violations = spendFindings({ reports, operationIds, billedTimes: billed }).map(
    (finding) => `${intent.name}: ${finding}`,
  );
  const observed = last.get(intent)?.observed;
  const isDefinite =
    observed?.kind === 'accepted' ||
    (observed !== undefined &&
      'reason' in observed &&
      isFinal(observed.reason, intent) &&
      !(isService && observed.kind === 'unknown'));
  if (!isDefinite) {
    violations.push(`${intent.name} has no definite end: ${JSON.stringify(observed)}`);
  }
  if (observed?.kind === 'accepted' && billed !== 1) {
    violations.push(`${intent.name} was accepted, and billed ${billed} times`);
  }
  return violations;
}

/** Whether asking again would not change it. Of the limits only that of a day can still be used up. */
function isFinal(reason: string, { limits }: Intent): boolean {
  if (reason === 'rate_limited') return limits.imagesPerDayMax !== undefined;
  return reason === 'outcome_unknown' || reason === 'idempotency_key_reused';
}

/** Limits of a day hold, over all gateways together. */
function overLimits({ intents, ledger, skewMsMax }: Evidence): readonly string[] {
  const subjects = new Set(intents.map(({ subject }) => subject));
  return [...subjects].flatMap((subject) => {
    const own = intents.filter((intent) => intent.subject === subject);
    const limit = own[0]?.limits.imagesPerDayMax;
    if (limit === undefined || ledger.length === 0) return [];
    const prompts = new Set(own.map(({ prompt }) => prompt));
    const spent = ledger.filter(({ prompt }) => prompts.has(prompt));
    const times = ledger.map(({ atMs }) => atMs);
    // A gateway whose clock is wrong may count an image to the day before or after.
    const dayOf = (atMs: number) => Math.floor(atMs / 86_400_000);
    const days = 1 + dayOf(Math.max(...times) + skewMsMax) - dayOf(Math.min(...times) - skewMsMax);
    const allowed = limit * days;
    return spent.length > allowed ? [`${subject} had ${spent.length} of ${allowed} images`] : [];
  });
}

function upstreamIdOf(id: string, intent: Intent): string | undefined {
  return simulatedIds.open(id, intent.subject)?.upstreamId;
}
