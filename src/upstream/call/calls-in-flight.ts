import type { MethodName } from './status-error.ts';
import type { UnaryCall, UnaryResult } from './unary-call.ts';

/** The calls that have not ended, so that a gateway that stops can end them. */
export class CallsInFlight {
  readonly #calls = new Map<UnaryCall<unknown>, MethodName>();
  #isEnding = false;

  /** Whether no further call may begin. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  /** Resolves like the call, and keeps it in the set until then. */
  async track<Response>(
    method: MethodName,
    call: UnaryCall<Response>,
  ): Promise<UnaryResult<Response>> {
    this.#calls.set(call, method);
    try {
      return await call.ended;
    } finally {
      this.#calls.delete(call);
    }
  }

  /** Cancels reads now and a Generate after the grace; resolves when no call is left. */
  async end(generateGraceMs: number): Promise<void> {
    this.#isEnding = true;
    this.#cancel((method) => method !== 'Generate');
    const timer = setTimeout(() => this.#cancel(() => true), Math.max(0, generateGraceMs));
    await Promise.all([...this.#calls.keys()].map(({ ended }) => ended));
    clearTimeout(timer);
  }

  #cancel(isMeant: (method: MethodName) => boolean): void {
    for (const [call, method] of this.#calls) if (isMeant(method)) call.cancel();
  }
}
