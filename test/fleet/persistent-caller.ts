import { setTimeout as sleep } from 'node:timers/promises';
import { promptOf, type Ledger, type Outcome } from './ledger.ts';

export interface CallerOptions {
  readonly ledger: Ledger;
  /** Address of the next request; undefined while no gateway listens. */
  readonly origin: () => string | undefined;
  /** When the caller gives up. */
  readonly deadlineMs: number;
}

const requestTimeoutMs = 50_000;

/**
 * A caller that wants one image and repeats its create, with one key, until the
 * outcome is final: accepted, or unknown.
 */
export async function persist(key: string, options: CallerOptions): Promise<void> {
  while (performance.now() < options.deadlineMs) {
    const outcome = await ask(key, options);
    options.ledger.record(key, outcome);
    if (outcome.kind === 'accepted') return;
    if (outcome.kind === 'unknown' && outcome.code === 'outcome_unknown') return;
    await sleep(outcome.kind === 'none' ? 50 : 100);
  }
}

/** One create with the key. */
export async function ask(
  key: string,
  { origin }: Pick<CallerOptions, 'origin'>,
): Promise<Outcome> {
  const base = origin();
  if (base === undefined) return { kind: 'none' };
  try {
    const response = await fetch(`${base}/v1/images`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify({ prompt: promptOf(key) }),
      signal: AbortSignal.timeout(requestTimeoutMs),
    });
    const body = (await response.json()) as { id?: string; outcome?: string; code?: string };
    if (response.ok && body.id !== undefined) return { kind: 'accepted', id: body.id };
    const code = body.code ?? `HTTP ${response.status}`;
    return { kind: body.outcome === 'not_started' ? 'not_started' : 'unknown', code };
  } catch {
    return { kind: 'none' };
  }
}

/** Whether the image of an id can be fetched, with as many tries as it takes. */
export async function fetchImage(id: string, options: CallerOptions): Promise<boolean> {
  while (performance.now() < options.deadlineMs) {
    try {
      const response = await fetch(`${options.origin()}/operations/${id}/image?wait=10`, {
        signal: AbortSignal.timeout(requestTimeoutMs),
      });
      const bytes = await response.arrayBuffer();
      if (response.status === 200 && bytes.byteLength > 1_000) return true;
      if (response.status === 404 || response.status === 410) return false;
    } catch {
      // The connection broke; the id is still valid.
    }
    await sleep(50);
  }
  return false;
}
