import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { gzipSync } from 'node:zlib';

/** The behaviour of the raw upstream for one call. */
export interface RawResponse {
  /** When it acts: at the headers of the call, or after the whole request. */
  readonly at: 'headers' | 'request';
  /** Whether it tells the client that no work was begun. */
  readonly isRefusal: boolean;
  /** `message` is the request without its framing; empty at `headers`. */
  readonly act: (stream: ServerHttp2Stream, message: Buffer) => void;
}

/** The request id of every gRPC response. */
export const rawRequestId = 'upstream-request-1';

const grpcHeaders = {
  ':status': 200,
  'content-type': 'application/grpc',
  'x-request-id': rawRequestId,
};
const okTrailers = { 'grpc-status': '0' };

/** Codes with which a server did not begin the work, by gRPC's table of status codes. */
export const refusingCodes: ReadonlySet<number | string> = new Set([3, 5, 6, 7, 8, 9, 11, 12, 16]);

function onRequest(act: RawResponse['act'], isRefusal = false): RawResponse {
  return { at: 'request', isRefusal, act };
}

/** A gRPC frame: one byte of flags, four of length, the message. */
export function frame(
  message: Uint8Array,
  { isCompressed = false, length = message.byteLength } = {},
): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(isCompressed ? 1 : 0);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, message]);
}

/** Headers, any bytes, trailers. */
export function bytes(
  body: Uint8Array,
  trailers: OutgoingHttpHeaders = okTrailers,
  headers: OutgoingHttpHeaders = {},
): RawResponse {
  return onRequest((stream) => {
    stream.respond({ ...grpcHeaders, ...headers }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    stream.end(body);
  });
}

/** A response with any number of messages, and OK. */
export function response(messages: readonly Uint8Array[]): RawResponse {
  return bytes(Buffer.concat(messages.map((message) => frame(message))));
}

export function ok(message: Uint8Array): RawResponse {
  return response([message]);
}

/** A response whose message depends on the request. */
export function okFrom(make: (request: Buffer) => Uint8Array): RawResponse {
  return onRequest((stream, request) => ok(make(request)).act(stream, request));
}

/** A correct response, after which the connection accepts no further call. */
export function okThenGoaway(message: Uint8Array): RawResponse {
  return thenGoaway(ok(message));
}

/** The same for any response; with a code, the connection ends with an error. */
export function thenGoaway({ act, isRefusal }: RawResponse, code?: number): RawResponse {
  return onRequest((stream, request) => {
    const { session } = stream;
    stream.on('close', () => {
      if (code === undefined) session?.close();
      else session?.destroy(undefined, code);
    });
    act(stream, request);
  }, isRefusal);
}

/** A GOAWAY after which the calls begun so far end normally; this one gets its response a moment later. */
export function goawayThen({ act, isRefusal }: RawResponse, afterMs = 50): RawResponse {
  return onRequest((stream, request) => {
    stream.session?.goaway(constants.NGHTTP2_NO_ERROR);
    setTimeout(() => {
      if (!stream.destroyed) act(stream, request);
    }, afterMs);
  }, isRefusal);
}

/** A GOAWAY that names an earlier stream as the last: this call was not processed. Needs an earlier call. */
export function goawayUnread(code: number): RawResponse {
  return onRequest((stream) => {
    if (stream.id === undefined || stream.id < 3) throw new RangeError('no earlier stream');
    stream.session?.goaway(code, stream.id - 2);
  }, true);
}

/** A message without trailers after it. */
export function withoutTrailers(message: Uint8Array): RawResponse {
  return onRequest((stream) => {
    stream.respond(grpcHeaders);
    stream.end(frame(message));
  });
}

/** A message that is shorter than its announced length. */
export function announce(length: number): RawResponse {
  return bytes(frame(Buffer.alloc(16), { length }));
}

/** A small message that decompresses to so many bytes. */
export function gzipBomb(unpackedBytes: number): RawResponse {
  const message = gzipSync(Buffer.alloc(unpackedBytes));
  return bytes(frame(message, { isCompressed: true }), okTrailers, { 'grpc-encoding': 'gzip' });
}

export const brokenGzip: RawResponse = bytes(
  frame(Buffer.from('no gzip'), { isCompressed: true }),
  okTrailers,
  { 'grpc-encoding': 'gzip' },
);

/**
 * A status without a message, sent together with the headers.
 *
 * @param code a text is sent unchanged.
 * @param details `grpc-status-details-bin` before base64.
 */
export function status(code: number | string, message = '', details?: Uint8Array): RawResponse {
  const fields = statusFields(code, message, details);
  return onRequest((stream) => {
    stream.respond({ ...grpcHeaders, ...fields }, { endStream: true });
  }, refusingCodes.has(code));
}

/** The same status, sent after the headers. */
export function statusInTrailers(code: number | string, message = ''): RawResponse {
  const { act } = bytes(Buffer.alloc(0), statusFields(code, message));
  return onRequest(act, refusingCodes.has(code));
}

function statusFields(code: number | string, message: string, details?: Uint8Array) {
  return {
    'grpc-status': String(code),
    // As gRPC says: percent-encoded is what is not printable ASCII, and the percent sign.
    'grpc-message': message.replaceAll(/[^\x20-\x7e]+|%/g, encodeURIComponent),
    ...(details !== undefined && {
      'grpc-status-details-bin': Buffer.from(details).toString('base64'),
    }),
  };
}

/** A page over plain HTTP, as a proxy or a web server sends it. */
export function html(statusCode: number): RawResponse {
  return onRequest((stream) => {
    stream.respond({ ':status': statusCode, 'content-type': 'text/html' });
    stream.end(`<html><body><h1>${statusCode}</h1></body></html>`);
  }, [401, 403, 404].includes(statusCode));
}

const halfMessage = frame(Buffer.alloc(100)).subarray(0, 40);

type Progress = 'request' | 'headers' | 'half a message';

/** A response that is broken off after so much of it. */
function until(progress: Progress, breakOff: (stream: ServerHttp2Stream) => void): RawResponse {
  return onRequest((stream) => {
    if (progress === 'request') return breakOff(stream);
    stream.respond(grpcHeaders);
    // The data must have left: a reset would overtake it.
    const written = progress === 'headers' ? Buffer.alloc(0) : halfMessage;
    stream.write(written, () => setImmediate(() => breakOff(stream)));
  });
}

/** RST_STREAM. After headers Node can only send INTERNAL_ERROR. */
export function reset(code: number, after: Progress = 'request'): RawResponse {
  if (after === 'request') return onRequest((stream) => stream.close(code));
  if (code !== constants.NGHTTP2_INTERNAL_ERROR) throw new RangeError('not with this code');
  return until(after, (stream) => stream.destroy(new Error('reset on order')));
}

/** Closes the connection. */
export function cut(after: Progress = 'request'): RawResponse {
  return until(after, (stream) => stream.session?.destroy());
}

export const cutConnection: RawResponse = cut();

/** Closes the connection before the request is read. */
export const cutAtOnce: RawResponse = {
  at: 'headers',
  isRefusal: false,
  act: (stream) => stream.session?.destroy(),
};

export const enhanceYourCalm: RawResponse = reset(constants.NGHTTP2_ENHANCE_YOUR_CALM);

/** A GOAWAY for the whole connection, which then stays silent. */
export function goaway(code: number, data?: Buffer): RawResponse {
  return onRequest((stream) => stream.session?.goaway(code, 0, data));
}

/** No response at all. */
export const hang: RawResponse = onRequest(() => undefined);

export const hangAfterHeaders: RawResponse = onRequest((stream) => stream.respond(grpcHeaders));
