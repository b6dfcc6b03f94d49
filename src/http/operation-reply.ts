import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { OperationPicture } from '../operations/operations.ts';
import { isFinished, type OperationSnapshot } from '../operations/snapshot.ts';
import { problemKindOf } from '../schemas/problem-kinds.ts';
import { operationJson } from '../translation/operation-json.ts';
import { matchesETag } from './conditional.ts';

const contentType = 'application/json; charset=utf-8';

/** Multiple of 3, so that the pieces join to one base64 text. */
const pieceBytes = 49_152;

/** Answers with operations as JSON; keeps the JSON of a snapshot for as long as the snapshot lives. */
export class OperationReplies {
  readonly #origin: () => string;
  readonly #json = new WeakMap<OperationSnapshot, string>();

  constructor(options: { readonly origin: () => string }) {
    this.#origin = options.origin;
  }

  /** Link to an operation, or with `suffix` to something under it. */
  link(id: string, suffix = ''): string {
    return `${this.#origin()}/operations/${id}${suffix}`;
  }

  /** 202 or 200 for the request that created the operation. */
  created(reply: FastifyReply, snapshot: OperationSnapshot, retryAfterS: number): FastifyReply {
    reply
      .code(isFinished(snapshot) ? 200 : 202)
      .header('location', this.link(snapshot.id))
      .header('cache-control', 'no-store');
    if (!isFinished(snapshot)) reply.header('retry-after', String(retryAfterS));
    return this.#send(reply, snapshot);
  }

  /** 200 for any other request about it. */
  current(reply: FastifyReply, snapshot: OperationSnapshot, retryAfterS: number): FastifyReply {
    reply.header('cache-control', 'private, no-cache');
    if (!isFinished(snapshot)) reply.header('retry-after', String(retryAfterS));
    return this.#send(reply, snapshot);
  }

  /** Like `current`, with an ETag, and 304 when the caller has it already. */
  conditional(
    request: FastifyRequest,
    reply: FastifyReply,
    snapshot: OperationSnapshot,
    retryAfterS: number,
  ): FastifyReply {
    const etag = `W/"${snapshot.revision}"`;
    reply.header('etag', etag).header('vary', 'Accept, Prefer');
    if (!matchesETag(request.headers['if-none-match'], etag)) {
      return this.current(reply, snapshot, retryAfterS);
    }
    reply.code(304).header('cache-control', 'private, no-cache');
    if (!isFinished(snapshot)) reply.header('retry-after', String(retryAfterS));
    return reply.header('x-operation-id', snapshot.id).send();
  }

  /**
   * The operation with its picture inside, as base64. Written to the socket in
   * pieces: as one string it would be held twice and stall the loop.
   */
  withPicture(reply: FastifyReply, { snapshot, bytes }: OperationPicture): FastifyReply {
    // `response` is the one object that ends in `url`; the picture goes in as its last field.
    const json = this.#jsonOf(snapshot);
    const marker = `"url":${JSON.stringify(this.link(snapshot.id, '/image'))}`;
    const split = json.indexOf(marker) + marker.length;
    const before = Buffer.from(`${json.slice(0, split)},"image":"`);
    const after = Buffer.from(`"${json.slice(split)}`);
    const length = before.length + 4 * Math.ceil(bytes.byteLength / 3) + after.length;
    return reply
      .header('cache-control', 'private, no-cache')
      .header('etag', `W/"${snapshot.revision}-image"`)
      .header('vary', 'Accept, Prefer')
      .header('content-type', contentType)
      .header('content-length', String(length))
      .header('x-operation-id', snapshot.id)
      .send(Readable.from(base64Pieces(before, bytes, after), { objectMode: false }));
  }

  #send(reply: FastifyReply, snapshot: OperationSnapshot): FastifyReply {
    return reply
      .header('content-type', contentType)
      .header('x-operation-id', snapshot.id)
      .send(this.#jsonOf(snapshot));
  }

  #jsonOf(snapshot: OperationSnapshot): string {
    const kept = this.#json.get(snapshot);
    if (kept !== undefined) return kept;
    const json = JSON.stringify(
      operationJson(snapshot, {
        origin: this.#origin(),
        isRetryable: (reason) => problemKindOf(reason).retryable,
      }),
    );
    this.#json.set(snapshot, json);
    return json;
  }
}

function* base64Pieces(before: Buffer, bytes: Uint8Array, after: Buffer): Generator<Buffer> {
  yield before;
  const picture = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let start = 0; start < picture.length; start += pieceBytes) {
    const text = picture.toString('base64', start, Math.min(start + pieceBytes, picture.length));
    yield Buffer.from(text, 'latin1');
  }
  yield after;
}
