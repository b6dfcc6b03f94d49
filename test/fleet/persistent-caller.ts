import { setTimeout as sleep } from 'node:timers/promises';
import { promptOf, type Books, type Told } from './ledger.ts';

export interface CallerOptions {
  readonly books: Books;
  /** Where to send the next request; undefined while nobody listens. */
  readonly origin: () => string | undefined;
  /** Ends the caller's patience for good. */
  readonly deadlineMs: number;
}

const requestTimeoutMs = 50_000;

/**
 * Wants one image, and asks with one key until it is told how that ended:
 * accepted, or unknown for good.
 */
export async function persist(key: string, options: CallerOptions): Promise<void> {
  while (performance.now() < options.deadlineMs) {
    const told = await ask(key, options);
    options.books.tell(key, told);
    if (told.kind === 'accepted') return;
    if (told.kind === 'unknown' && told.code === 'outcome_unknown') return;
    await sleep(told.kind === 'nothing' ? 50 : 100);
  }
}

/** One create under the key. */
export async function ask(key: string, { origin }: Pick<CallerOptions, 'origin'>): Promise<Told> {
  const base = origin();
  if (base === undefined) return { kind: 'nothing' };
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
    return { kind: 'nothing' };
  }
}

/** Whether the image of an id can be had, however often it takes to ask. */
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
      // Lost on the way; the id is still good.
    }
    await sleep(50);
  }
  return false;
}
