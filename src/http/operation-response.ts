import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Reason } from '../errors/reason.ts';
import { isFinished, type OperationSnapshot } from '../operations/result/snapshot.ts';
import { problemKindOf } from '../schemas/problem-catalog.ts';
import type { JsonWithBytes } from '../translation/json-value.ts';
import { imageLink, operationJson } from '../translation/operation-json.ts';
import { sendJsonWithBytes } from './json-with-bytes.ts';
import { matchesETag } from './conditional.ts';

const contentType = 'application/json; charset=utf-8';

/** What a response depends on beside the operation. */
export interface ResponseContext {
  /** Seconds for Retry-After, sent while the operation is running. */
  readonly retryAfterS: number;
  readonly links: LinkHolder;
}

/** The caller that links are given to. They end with its credential. */
export interface LinkHolder {
  /** Whose operation it is: links are signed for it. */
  readonly tenant: string;
  readonly keyId?: string | undefined;
  /** When the credential ends; absent when it does not. */
  readonly expiresAtMs?: number | undefined;
}

/** Signs the links of one operation, until they expire. */
export type SignLink = (
  operationId: string,
  link: {
    readonly tenant: string;
    readonly keyId: string | undefined;
    readonly expiresAtMs: number;
  },
) => string;

export interface OperationResponsesOptions {
  readonly origin: () => string;
  readonly nowMs: () => number;
  /** Absent where a link needs no token to be opened. */
  readonly signLink?: SignLink | undefined;
}

/** Links can be opened for an hour at least, unless their holder's credential ends sooner. */
const linkLifeMs = 3_600_000;
/** Links made within one period are equal, so that the JSON of a snapshot can be kept. */
const linkPeriodMs = 600_000;

interface KeptJson {
  readonly json: string;
  readonly period: number;
  readonly keyId: string | undefined;
}

/** Responses with an operation as JSON. The JSON of a snapshot is kept until its links would be too old. */
export class OperationResponses {
  readonly #options: OperationResponsesOptions;
  readonly #json = new WeakMap<OperationSnapshot, KeptJson>();

  constructor(options: OperationResponsesOptions) {
    this.#options = options;
  }

  /** Link to an operation, or with `suffix` to something under it. */
  link(id: string, suffix = ''): string {
    return `${this.#options.origin()}/operations/${id}${suffix}`;
  }

  /** 202 or 200 for the request that created the operation. */
  created(
    reply: FastifyReply,
    snapshot: OperationSnapshot,
    context: ResponseContext,
  ): FastifyReply {
    reply
      .code(isFinished(snapshot) ? 200 : 202)
      .header('location', this.link(snapshot.id))
      .header('cache-control', 'no-store');
    if (!isFinished(snapshot)) reply.header('retry-after', String(context.retryAfterS));
    return this.#send(reply, snapshot, context);
  }

  /** 200 for every other request about the operation. */
  current(
    reply: FastifyReply,
    snapshot: OperationSnapshot,
    context: ResponseContext,
  ): FastifyReply {
    reply.header('cache-control', 'private, no-cache');
    if (!isFinished(snapshot)) reply.header('retry-after', String(context.retryAfterS));
    return this.#send(reply, snapshot, context);
  }

  /**
   * Like `current`, with an ETag; 304 when the caller has the representation already.
   *
   * @param image Loads the bytes that the JSON shall hold as base64; absent: it only links to them.
   */
  async conditional(
    request: FastifyRequest,
    reply: FastifyReply,
    { snapshot, ...context }: ResponseContext & { readonly snapshot: OperationSnapshot },
    image?: () => Promise<Uint8Array>,
  ): Promise<FastifyReply> {
    const headers = {
      etag: this.#etagOf(snapshot, image === undefined ? '' : '-image'),
      vary: 'Accept, Prefer, Origin',
      'cache-control': 'private, no-cache',
      'x-operation-id': snapshot.id,
      ...(!isFinished(snapshot) && { 'retry-after': String(context.retryAfterS) }),
    };
    if (matchesETag(request.headers['if-none-match'], headers.etag)) {
      return reply.code(304).headers(headers).send();
    }
    if (image === undefined) return this.current(reply.headers(headers), snapshot, context);
    if (request.method === 'HEAD') {
      return reply.headers(headers).header('content-type', contentType).send();
    }
    // Before any header is set: an error here must not carry them.
    const json = this.#operationJson(snapshot, context.links, await image());
    return sendJsonWithBytes(reply.headers(headers), json);
  }

  /** Link to the image; with a token where the caller would otherwise need a credential. */
  imageLink(id: string, holder: LinkHolder): string {
    return imageLink(id, this.#links(id, holder));
  }

  /** The JSON of an operation, on one line. */
  json(snapshot: OperationSnapshot, holder: LinkHolder): string {
    return this.#jsonOf(snapshot, holder);
  }

  #send(
    reply: FastifyReply,
    snapshot: OperationSnapshot,
    { links }: ResponseContext,
  ): FastifyReply {
    return reply
      .header('content-type', contentType)
      .header('x-operation-id', snapshot.id)
      .send(this.#jsonOf(snapshot, links));
  }

  /** Weak: two responses with the same state may have links that expire at different times. */
  #etagOf({ revision }: OperationSnapshot, suffix = ''): string {
    const { signLink } = this.#options;
    return signLink === undefined
      ? `W/"${revision}${suffix}"`
      : `W/"${revision}-${this.#period()}${suffix}"`;
  }

  #period(): number {
    const { signLink, nowMs } = this.#options;
    return signLink === undefined ? 0 : Math.ceil(nowMs() / linkPeriodMs);
  }

  #links(id: string, { tenant, keyId, expiresAtMs = Infinity }: LinkHolder) {
    const link = { tenant, keyId, expiresAtMs: Math.min(this.#linksEndAtMs(), expiresAtMs) };
    return {
      origin: this.#options.origin(),
      linkToken: this.#options.signLink?.(id, link),
    };
  }

  /** When links end that are made now for a credential that does not end before. */
  #linksEndAtMs(): number {
    return this.#period() * linkPeriodMs + linkLifeMs;
  }

  #jsonOf(snapshot: OperationSnapshot, holder: LinkHolder): string {
    const { keyId, expiresAtMs = Infinity } = holder;
    const period = this.#period();
    const kept = this.#json.get(snapshot);
    // Links that end sooner than others are for one holder only.
    const isKept = this.#options.signLink === undefined || expiresAtMs >= this.#linksEndAtMs();
    if (isKept && kept?.period === period && kept.keyId === keyId) return kept.json;
    const json = JSON.stringify(this.#operationJson(snapshot, holder));
    if (isKept) this.#json.set(snapshot, { json, period, keyId });
    return json;
  }

  #operationJson(
    snapshot: OperationSnapshot,
    holder: LinkHolder,
    image?: Uint8Array,
  ): JsonWithBytes {
    const options = {
      ...this.#links(snapshot.id, holder),
      isRetryable: (reason: Reason) => problemKindOf(reason).retryable,
    };
    return operationJson(snapshot, options, image);
  }
}
