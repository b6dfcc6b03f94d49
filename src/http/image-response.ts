import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../errors/gateway-error.ts';
import type { OperationSnapshot, FinishedImage } from '../operations/result/snapshot.ts';
import { publicMessage } from '../translation/operation-json.ts';
import {
  byteRangeFromHeader,
  ifRangeHolds,
  preconditionOf,
  type ByteRange,
  type Validators,
} from './conditional.ts';

/** A snapshot with an image. */
export interface SucceededSnapshot extends OperationSnapshot {
  readonly state: { readonly status: 'succeeded'; readonly image: FinishedImage };
}

/**
 * The snapshot of an operation that succeeded.
 *
 * @throws GatewayError that says why there is no image.
 */
export function succeeded(snapshot: OperationSnapshot, retryAfterS: number): SucceededSnapshot {
  const { state } = snapshot;
  if (state.status === 'succeeded') return { ...snapshot, state };
  if (state.status === 'running') {
    throw new GatewayError('operation_not_done', 'the image is still being made', {
      retryAfterS,
    });
  }
  if (state.status === 'canceled') {
    throw new GatewayError('operation_canceled', 'the operation was canceled before it was done');
  }
  throw new GatewayError(state.failure.reason, publicMessage(state.failure));
}

const maxAgeS = 31_536_000;

/** Headers of images shown inline, kept for as long as the image is known. */
const inlineHeaders = new WeakMap<FinishedImage, Readonly<Record<string, string>>>();

function headersOf(
  snapshot: SucceededSnapshot,
  { download, linkLeftMs }: Pick<ImageResponseOptions, 'download' | 'linkLeftMs'>,
): Readonly<Record<string, string>> {
  if (linkLeftMs !== undefined) {
    const leftS = Math.max(0, Math.floor(linkLeftMs / 1000));
    const cacheControl = { 'cache-control': `private, max-age=${leftS}, no-transform` };
    return { ...imageHeaders(snapshot, { download }), ...cacheControl };
  }
  if (download) return imageHeaders(snapshot, { download });
  const { image } = snapshot.state;
  const known = inlineHeaders.get(image) ?? imageHeaders(snapshot, { download });
  inlineHeaders.set(image, known);
  return known;
}

/** Headers of every response about an image, 304 and 206 too. */
function imageHeaders(
  snapshot: SucceededSnapshot,
  options: { readonly download: boolean },
): Record<string, string> {
  const { image } = snapshot.state;
  const disposition = options.download ? 'attachment' : 'inline';
  return {
    etag: etagOf(image),
    'accept-ranges': 'bytes',
    'cache-control': `private, max-age=${maxAgeS}, immutable, no-transform`,
    'content-disposition': `${disposition}; filename="${snapshot.id.slice(0, 16)}.${image.extension}"`,
    'content-security-policy': "default-src 'none'; sandbox",
    'cross-origin-resource-policy': 'cross-origin',
    'last-modified': new Date(snapshot.modifiedAtMs).toUTCString(),
    'referrer-policy': 'no-referrer',
    'repr-digest': digestOf(image),
    'x-operation-id': snapshot.id,
    ...headerSeed(snapshot),
    ...(image.width !== undefined && { 'x-image-width': String(image.width) }),
    ...(image.height !== undefined && { 'x-image-height': String(image.height) }),
    ...headerText('x-model-version', image.modelVersion),
  };
}

/**
 * The seed, where the image was made from it: a seed that changed nothing is no
 * seed of the image. The gateway never draws 0, which stands for the unknown
 * seed of an operation made elsewhere.
 */
function headerSeed({ seed, rendering }: SucceededSnapshot): Record<string, string> {
  const isItsSeed = seed !== 0n && rendering?.seedApplied !== false;
  return isItsSeed ? { 'x-image-seed': String(seed) } : {};
}

/** A digest field's value (RFC 9530). */
function digestOf({ sha256 }: FinishedImage): string {
  return `sha-256=:${sha256.toString('base64')}:`;
}

function etagOf(image: FinishedImage): string {
  return `"${image.sha256.toString('base64url')}"`;
}

/** A header with the part of the upstream's text that a header can hold; none when nothing is left. */
function headerText(name: string, text: string): Record<string, string> {
  const visible = text
    .replace(/[^\x20-\x7e]+/g, '')
    .trim()
    .slice(0, 200);
  return visible === '' ? {} : { [name]: visible };
}

export interface ImageResponseOptions {
  readonly download: boolean;
  /** How long the signed link of the request can still be opened: a cache must not keep the image longer. */
  readonly linkLeftMs?: number | undefined;
  /** Request headers that the choice of this representation depended on, beside Origin. */
  readonly vary: readonly string[];
  /** Called only for a response that has the bytes in it. */
  readonly bytes: () => Promise<Uint8Array>;
}

/**
 * Sends an image, a range of it, or 304 when the caller has it already.
 * The bytes are never copied: they are a view on what the upstream sent.
 *
 * Preconditions and ranges hold for a GET. The response to a create is the
 * whole image, whatever else the request asks for: it was just paid for.
 *
 * @throws GatewayError `precondition_failed`, `range_not_satisfiable`, or what `bytes` throws.
 */
export async function sendImage(
  request: FastifyRequest,
  reply: FastifyReply,
  snapshot: SucceededSnapshot,
  options: ImageResponseOptions,
): Promise<FastifyReply> {
  const { image } = snapshot.state;
  const isCreate = request.method === 'POST';
  const validators = { etag: etagOf(image), lastModifiedMs: snapshot.modifiedAtMs };
  const precondition = isCreate ? 'send' : preconditionOf(request.headers, validators);
  if (precondition === 'failed') throw preconditionFailed(validators.etag);
  const headers = { ...headersOf(snapshot, options), vary: [...options.vary, 'Origin'].join(', ') };
  if (precondition === 'not modified') return reply.code(304).headers(headers).send();
  const range = request.method === 'GET' ? rangeOf(request, validators, image) : 'whole';
  const { from, to } = range === 'whole' ? { from: 0, to: image.byteLength - 1 } : range;
  // Before any header of the image is set: an error here must not carry them.
  const bytes = request.method === 'HEAD' ? undefined : await options.bytes();
  reply
    .headers(headers)
    .header('content-type', image.mediaType)
    .header('content-length', String(to - from + 1));
  if (bytes === undefined) return reply.send();
  if (range === 'whole') reply.header('content-digest', digestOf(image));
  else reply.code(206).header('content-range', `bytes ${from}-${to}/${image.byteLength}`);
  return reply.send(Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from + 1));
}

function rangeOf(
  { headers }: FastifyRequest,
  validators: Validators,
  { byteLength }: FinishedImage,
): Exclude<ByteRange, 'unsatisfiable'> {
  const holds = ifRangeHolds(headers['if-range'] as string | undefined, validators);
  const range = byteRangeFromHeader(holds ? headers.range : undefined, byteLength);
  if (range !== 'unsatisfiable') return range;
  const detail = `expected one range within the ${byteLength} bytes of the image`;
  throw new GatewayError('range_not_satisfiable', detail, {
    headers: { 'content-range': `bytes */${byteLength}` },
  });
}

function preconditionFailed(etag: string): GatewayError {
  const detail = 'the image is not the one that If-Match or If-Unmodified-Since names';
  return new GatewayError('precondition_failed', detail, { headers: { etag } });
}
