import type { HttpResponse, NoResponse } from '../support/http-client.ts';
import { spendFindings, spendReportFrom } from '../support/spend-audit.ts';

/** What a response told a caller about one image. */
type Outcome =
  | { readonly kind: 'accepted'; readonly id: string }
  | { readonly kind: 'not_started' | 'unknown' | 'unstated' | 'none' };

interface Unanswered {
  readonly requestId: string;
  readonly error: NoResponse;
  readonly afterMs: number;
}

/** The record of what the callers of one gateway saw of its drain. */
export class DrainRecord {
  #number = 0;
  #responses = 0;
  #responsesAfterTerm = 0;
  #acceptedAfterTerm = 0;
  #refusals = 0;
  #termAtMs = Infinity;
  #unreadyAtMs: number | undefined;
  #closedAtMs: number | undefined;
  readonly #outcomes = new Map<string, Outcome>();
  readonly #unanswered: Unanswered[] = [];
  readonly #odd: string[] = [];
  /** Ids of the requests in the gateway's log. */
  readonly #reached = new Set<string>();

  nextNumber(): number {
    this.#number += 1;
    return this.#number;
  }

  /** To be called when SIGTERM is sent. */
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

  answered(requestId: string, response: HttpResponse): void {
    this.#responses += 1;
    const isAfterTerm = performance.now() > this.#termAtMs;
    if (isAfterTerm) this.#responsesAfterTerm += 1;
    const text = response.status === 503 ? response.body.toString() : '';
    const isRefusal = text.includes('"code":"draining"');
    if (isRefusal) this.#refusals += 1;
    const isUnready = text.includes('"status":"draining"');
    const isFine = response.status < 300 || isRefusal || isUnready || isTimeout(response);
    if (!isFine) this.#odd.push(`${requestId} got ${response.status} ${text}`);
  }

  unanswered(requestId: string, error: NoResponse): void {
    const nowMs = performance.now();
    if (error.code === 'ECONNREFUSED') this.#closedAtMs ??= nowMs;
    this.#unanswered.push({ requestId, error, afterMs: nowMs - this.#termAtMs });
  }

  created(prompt: string, response: HttpResponse | undefined): void {
    const outcome = outcomeOf(response);
    this.#outcomes.set(prompt, outcome);
    if (outcome.kind === 'accepted' && performance.now() > this.#termAtMs)
      this.#acceptedAfterTerm += 1;
  }

  /** Ids of the operations that callers hold. */
  ids(): readonly string[] {
    return [...this.#outcomes.values()].flatMap((outcome) =>
      outcome.kind === 'accepted' ? [outcome.id] : [],
    );
  }

  /**
   * The lost requests: those without a complete response that were sent on a
   * connection in use, or that the gateway's log contains.
   */
  losses(): readonly string[] {
    return this.#unanswered
      .filter(({ requestId, error }) => error.isReused || this.#reached.has(requestId))
      .map(
        ({ requestId, error, afterMs }) =>
          `${requestId} was lost: ${error.code} ${Math.round(afterMs)} ms after SIGTERM${error.isReused ? ', on a connection in use' : ''}`,
      );
  }

  /** Every other violation of the promise, in words. */
  violations(billed: ReadonlyMap<string, readonly string[]>): readonly string[] {
    const violations = [...this.#odd];
    if (this.#unreadyAtMs === undefined) violations.push('was never unready');
    if (this.#closedAtMs !== undefined && this.#closedAtMs < (this.#unreadyAtMs ?? Infinity)) {
      violations.push('stopped listening before it was unready');
    }
    if (this.#acceptedAfterTerm === 0) violations.push('accepted no create after SIGTERM');
    for (const [prompt, { kind }] of this.#outcomes) {
      const billedTimes = billed.get(prompt)?.length ?? 0;
      const findings = [...spendFindings({ reports: [kind], billedTimes })];
      if (kind === 'unstated') findings.push('got no outcome');
      if (kind === 'none' && billedTimes > 0) findings.push('got no response, and was billed');
      violations.push(...findings.map((finding) => `${prompt}: ${finding}`));
    }
    return violations;
  }

  figures() {
    const isReset = ({ requestId, error }: Unanswered) =>
      error.code !== 'ECONNREFUSED' && !error.isReused && !this.#reached.has(requestId);
    return {
      responses: this.#responses,
      'responses after SIGTERM': this.#responsesAfterTerm,
      'creates accepted after SIGTERM': this.#acceptedAfterTerm,
      'creates refused as draining': this.#refusals,
      'outcomes unknown': [...this.#outcomes.values()].filter(({ kind }) => kind === 'unknown')
        .length,
      'new connections that met the closing listener': this.#unanswered.filter(isReset).length,
    };
  }
}

/** Whether the image was not ready when the wait ended: the response holds its id. */
function isTimeout({ status, headers }: HttpResponse): boolean {
  return status === 504 && headers['x-operation-id'] !== undefined;
}

function outcomeOf(response: HttpResponse | undefined): Outcome {
  if (response === undefined) return { kind: 'none' };
  const id = response.headers['x-operation-id'];
  if (typeof id === 'string') return { kind: 'accepted', id };
  const report = spendReportFrom(response.status, jsonOf(response.body));
  // Without an id in its headers an accepted image can not be fetched.
  return { kind: report === 'accepted' ? 'unknown' : report };
}

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}
