import type { HttpResponse, NoResponse } from '../support/http-client.ts';

/** What a caller was told about one image. */
type Told =
  | { readonly kind: 'accepted'; readonly id: string }
  | { readonly kind: 'not_started' | 'unknown' | 'nothing' };

interface Unanswered {
  readonly requestId: string;
  readonly error: NoResponse;
  readonly afterMs: number;
}

/** Everything that callers of one gateway saw of its end. */
export class DrainRecord {
  #number = 0;
  #answers = 0;
  #answersAfterTerm = 0;
  #acceptedAfterTerm = 0;
  #refusals = 0;
  #termAtMs = Infinity;
  #unreadyAtMs: number | undefined;
  #closedAtMs: number | undefined;
  readonly #told = new Map<string, Told>();
  readonly #unanswered: Unanswered[] = [];
  readonly #odd: string[] = [];
  /** Ids of requests that the gateway's log tells of. */
  readonly #reached = new Set<string>();

  nextNumber(): number {
    this.#number += 1;
    return this.#number;
  }

  /** SIGTERM is sent now. */
  terminated(): void {
    this.#termAtMs = performance.now();
  }

  logged(line: string): void {
    const [, requestId] = /"requestId":"([^"]+)"/.exec(line) ?? [];
    if (requestId !== undefined) this.#reached.add(requestId);
    if (/"level":[56]0/.test(line) && !line.includes('"reason":')) this.#odd.push(line);
  }

  probed(status: number): void {
    if (status === 503) this.#unreadyAtMs ??= performance.now();
  }

  answered(requestId: string, answer: HttpResponse): void {
    this.#answers += 1;
    const isAfterTerm = performance.now() > this.#termAtMs;
    if (isAfterTerm) this.#answersAfterTerm += 1;
    const text = answer.status === 503 ? answer.body.toString() : '';
    const isRefusal = text.includes('"code":"draining"');
    if (isRefusal) this.#refusals += 1;
    const isUnready = text.includes('"status":"draining"');
    const isFine = answer.status < 300 || isRefusal || isUnready || isTimeout(answer);
    if (!isFine) this.#odd.push(`${requestId} was answered with ${answer.status} ${text}`);
  }

  unanswered(requestId: string, error: NoResponse): void {
    const nowMs = performance.now();
    if (error.code === 'ECONNREFUSED') this.#closedAtMs ??= nowMs;
    this.#unanswered.push({ requestId, error, afterMs: nowMs - this.#termAtMs });
  }

  told(prompt: string, answer: HttpResponse | undefined): void {
    const told = toldOf(answer);
    this.#told.set(prompt, told);
    if (told.kind === 'accepted' && performance.now() > this.#termAtMs)
      this.#acceptedAfterTerm += 1;
  }

  /** Ids of the operations that callers hold. */
  ids(): readonly string[] {
    return [...this.#told.values()].flatMap((told) => (told.kind === 'accepted' ? [told.id] : []));
  }

  /**
   * Requests that were lost: without a whole answer although they were sent on
   * a connection in use, or the gateway's own log tells of them.
   */
  losses(): readonly string[] {
    return this.#unanswered
      .filter(({ requestId, error }) => error.isReused || this.#reached.has(requestId))
      .map(
        ({ requestId, error, afterMs }) =>
          `${requestId} was lost: ${error.code} ${Math.round(afterMs)} ms after SIGTERM${error.isReused ? ', on a connection in use' : ''}`,
      );
  }

  /** What else is not as it has to be, in words. */
  faults(billed: ReadonlyMap<string, readonly string[]>): readonly string[] {
    const faults = [...this.#odd];
    if (this.#unreadyAtMs === undefined) faults.push('never said that it is not ready');
    if (this.#closedAtMs !== undefined && this.#closedAtMs < (this.#unreadyAtMs ?? Infinity)) {
      faults.push('stopped listening before it said that it is not ready');
    }
    if (this.#acceptedAfterTerm === 0) faults.push('took no create after SIGTERM');
    for (const [prompt, told] of this.#told) {
      const bills = billed.get(prompt)?.length ?? 0;
      const isHonest =
        told.kind === 'accepted' ? bills === 1 : bills === 0 || told.kind === 'unknown';
      if (!isHonest) faults.push(`${prompt}: ${told.kind}, and billed ${bills} times`);
    }
    return faults;
  }

  figures() {
    const isReset = ({ requestId, error }: Unanswered) =>
      error.code !== 'ECONNREFUSED' && !error.isReused && !this.#reached.has(requestId);
    return {
      answers: this.#answers,
      'answers after SIGTERM': this.#answersAfterTerm,
      'creates accepted after SIGTERM': this.#acceptedAfterTerm,
      'creates refused as draining': this.#refusals,
      'outcomes unknown': [...this.#told.values()].filter(({ kind }) => kind === 'unknown').length,
      'new connections that met the closing listener': this.#unanswered.filter(isReset).length,
    };
  }
}

/** An image that was not ready when the waiting was over: its id is in the answer. */
function isTimeout({ status, headers }: HttpResponse): boolean {
  return status === 504 && headers['x-operation-id'] !== undefined;
}

function toldOf(answer: HttpResponse | undefined): Told {
  if (answer === undefined) return { kind: 'nothing' };
  const id = answer.headers['x-operation-id'];
  if (typeof id === 'string') return { kind: 'accepted', id };
  const text = answer.body.toString();
  // Errors of OpenAI tell no outcome: this one's meaning is fixed.
  const isUnspent = text.includes('"outcome":"not_started"') || text.includes('"code":"draining"');
  return { kind: isUnspent ? 'not_started' : 'unknown' };
}
