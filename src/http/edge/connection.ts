import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Log } from '../../observability/log.ts';
import { earlyResponseText, type EarlyResponse } from './early-response.ts';

/**
 * One connection of a caller: which answers it is still owed, and whether
 * anything more is read from it.
 *
 * Node hands out pipelined requests as soon as they are parsed, while earlier
 * answers are still being made. So what stands behind a refused request would
 * run although its answer is never sent.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #options: { readonly log: Log; readonly lingerMs: number };
  readonly #owed = new Set<ServerResponse>();
  /** The last request that was let through, while it matters what became of it. */
  #latest: ServerResponse | undefined;
  /** What is to be told once nothing else is owed. */
  #refusal: EarlyResponse | undefined;
  #isLast = false;
  #isEnded = false;

  constructor(socket: Socket, options: { readonly log: Log; readonly lingerMs: number }) {
    this.#socket = socket;
    this.#options = options;
  }

  /** Whether a request was refused, or let through as the last: then nothing that follows it is one. */
  get isShut(): boolean {
    return this.#isLast || this.#isRefused;
  }

  get #isRefused(): boolean {
    return this.#refusal !== undefined || this.#isEnded;
  }

  /** Answers under way. */
  get owed(): number {
    return this.#owed.size;
  }

  /** Lets a request through. @param isLast nothing behind it is read. */
  admit(response: ServerResponse, { isLast }: { readonly isLast: boolean }): void {
    this.#owed.add(response);
    this.#latest = response;
    if (isLast) {
      response.shouldKeepAlive = false;
      this.#isLast = true;
    }
    response.once('close', () => {
      this.#owed.delete(response);
      if (this.#latest === response && response.req.complete) this.#latest = undefined;
      this.#endIfDone();
    });
  }

  /**
   * Answers that this is no request, after the answers that earlier ones are
   * owed, and ends the connection. An answer out of turn would be taken for
   * that of a request which may have been paid for.
   */
  refuse(refusal: EarlyResponse): void {
    if (this.#isRefused) return;
    this.#refusal = refusal;
    this.#endIfDone();
  }

  #endIfDone(): void {
    const refusal = this.#refusal;
    if (refusal === undefined) return;
    // The request that broke off is not owed an answer of its own: this is it.
    const broken = this.#latest?.req.complete === false ? this.#latest : undefined;
    const isBrokenOwed = broken !== undefined && this.#owed.has(broken);
    if (this.#owed.size > Number(isBrokenOwed)) return;
    this.#refusal = undefined;
    this.#isEnded = true;
    const { reason, status, cause, detail } = refusal;
    const { text, requestId } = earlyResponseText(refusal);
    const isAnswered = broken?.headersSent === true;
    if (!this.#socket.destroyed) {
      this.#options.log.info({ requestId, status, reason, cause, detail }, 'broken request');
    }
    this.#end(isAnswered ? '' : text);
  }

  /**
   * Closing at once would reset the connection, and the answers be lost with
   * it. How long they take to be on their way is watched by `cutSlowReaders`.
   */
  #end(text: string): void {
    const socket = this.#socket;
    // Node ends it by itself after an answer that was the last.
    if (!socket.writable) return;
    socket.end(text, () => {
      const linger = setTimeout(() => socket.destroy(), this.#options.lingerMs);
      socket.once('close', () => clearTimeout(linger));
    });
  }
}
