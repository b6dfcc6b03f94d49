import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Log } from '../../observability/log.ts';
import {
  earlyResponseText,
  refusedRequest,
  type EarlyResponse,
  type EarlyResponseOptions,
} from './early-response.ts';

interface ConnectionOptions extends EarlyResponseOptions {
  readonly log: Log;
  readonly lingerMs: number;
}

/**
 * One connection of a caller: the responses that are under way on it, and
 * whether anything more is read from it.
 *
 * Node hands out pipelined requests as soon as they are parsed, while earlier
 * responses are still being made. Without this class, a request behind a
 * refused one would run although its response is never sent.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #pending = new Set<ServerResponse>();
  /** Response to the last request that was passed on, until that request and its response are complete. */
  #latest: ServerResponse | undefined;
  /** The response that ends the connection, while it waits for the pending ones. */
  #early: EarlyResponse | undefined;
  /** Requests that came behind one that is not passed on or refused yet; undefined while there is none. */
  #waiting: (() => void)[] | undefined;
  #isLast = false;
  #isEnded = false;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
  }

  /** Whether a request was refused, or passed on as the last one: no request is read after it. */
  get isShut(): boolean {
    return this.#isLast || this.#isRefused;
  }

  get #isRefused(): boolean {
    return this.#early !== undefined || this.#isEnded;
  }

  /** Number of responses under way. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Calls back when all earlier requests are passed on or refused. */
  inTurn(next: () => void): void {
    if (this.#waiting === undefined) next();
    else this.#waiting.push(next);
  }

  /** Lets later requests wait until the returned function is called. */
  hold(): () => void {
    this.#waiting = [];
    return () => {
      const waiting = this.#waiting ?? [];
      this.#waiting = undefined;
      // One of these may hold the rest again.
      for (const next of waiting) this.inTurn(next);
    };
  }

  /** Follows the response to a request that is passed on. @param isLast nothing behind it is read. */
  follow(response: ServerResponse, { isLast }: { readonly isLast: boolean }): void {
    this.#pending.add(response);
    this.#latest = response;
    if (isLast) {
      response.shouldKeepAlive = false;
      this.#isLast = true;
    }
    response.once('close', () => {
      this.#pending.delete(response);
      if (this.#latest === response && response.req.complete) this.#latest = undefined;
      this.#endIfDone();
    });
  }

  /**
   * Sends an early response after all pending ones and ends the connection.
   * Sent out of order, it would be taken for the response to an earlier
   * request, which may have been paid for.
   */
  refuse(early: EarlyResponse): void {
    if (this.#isRefused) return;
    this.#early = early;
    this.#endIfDone();
  }

  #endIfDone(): void {
    if (this.#early === undefined) return;
    // A request that broke off gets no response of its own: the early response is that.
    const broken = this.#latest?.req.complete === false ? this.#latest : undefined;
    const isBrokenPending = broken !== undefined && this.#pending.has(broken);
    if (this.#pending.size > Number(isBrokenPending)) return;
    const early = { ...this.#early, ...(broken !== undefined && refusedRequest(broken.req)) };
    this.#early = undefined;
    this.#isEnded = true;
    const { reason, status, cause, detail } = early;
    const { text, requestId } = earlyResponseText(early, this.#options);
    const isAnswered = broken?.headersSent === true;
    if (!this.#socket.destroyed) {
      this.#options.log.info({ requestId, status, reason, cause, detail }, 'broken request');
    }
    this.#end(isAnswered ? '' : text);
  }

  /**
   * Ends politely: closing at once would reset the connection, and responses
   * that are still in the kernel would be lost. `cutSlowReaders` limits how long that takes.
   */
  #end(text: string): void {
    const socket = this.#socket;
    // After a response with `Connection: close` Node ends it by itself.
    if (!socket.writable) return;
    socket.end(text, () => {
      const linger = setTimeout(() => socket.destroy(), this.#options.lingerMs);
      socket.once('close', () => clearTimeout(linger));
    });
  }
}
