import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { gzipSync } from 'node:zlib';

/** What the raw upstream does with one call. */
export interface RawAnswer {
  /** When it acts: as soon as the call begins, or when the whole request has arrived. */
  readonly at: 'headers' | 'request';
  /** Whether it makes plain that no work was begun. */
  readonly isRefusal: boolean;
  /** `message` is the request without its framing; empty at `headers`. */
  readonly act: (stream: ServerHttp2Stream, message: Buffer) => void;
}

/** The id that every answer of gRPC carries. */
export const rawRequestId = 'upstream-request-1';

const grpcHeaders = {
  ':status': 200,
  'content-type': 'application/grpc',
  'x-request-id': rawRequestId,
};
const okTrailers = { 'grpc-status': '0' };

/** Codes with which a server says that it did not begin, by gRPC's table of status codes. */
export const refusingCodes: ReadonlySet<number | string> = new Set([3, 5, 6, 7, 8, 9, 11, 12, 16]);

function onRequest(act: RawAnswer['act'], isRefusal = false): RawAnswer {
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
): RawAnswer {
  return onRequest((stream) => {
    stream.respond({ ...grpcHeaders, ...headers }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    stream.end(body);
  });
}

/** Any number of messages, and OK. */
export function answer(messages: readonly Uint8Array[]): RawAnswer {
  return bytes(Buffer.concat(messages.map((message) => frame(message))));
}

export function ok(message: Uint8Array): RawAnswer {
  return answer([message]);
}

/** A message that depends on the request's. */
export function okFrom(make: (request: Buffer) => Uint8Array): RawAnswer {
  return onRequest((stream, request) => ok(make(request)).act(stream, request));
}

/** A right answer, after which the connection takes no further call. */
export function okThenGoaway(message: Uint8Array): RawAnswer {
  return thenGoaway(ok(message));
}

/** The same for any answer; with a code, the connection ends in an error. */
export function thenGoaway({ act, isRefusal }: RawAnswer, code?: number): RawAnswer {
  return onRequest((stream, request) => {
    const { session } = stream;
    stream.on('close', () => {
      if (code === undefined) session?.close();
      else session?.destroy(undefined, code);
    });
    act(stream, request);
  }, isRefusal);
}

/** GOAWAY that lets the calls begun so far end, this one too, which is answered a moment later. */
export function goawayThen({ act, isRefusal }: RawAnswer, afterMs = 50): RawAnswer {
  return onRequest((stream, request) => {
    stream.session?.goaway(constants.NGHTTP2_NO_ERROR);
    setTimeout(() => {
      if (!stream.destroyed) act(stream, request);
    }, afterMs);
  }, isRefusal);
}

/** GOAWAY that names an earlier stream as the last: this call was not looked at. Needs an earlier one. */
export function goawayUnread(code: number): RawAnswer {
  return onRequest((stream) => {
    if (stream.id === undefined || stream.id < 3) throw new RangeError('no earlier stream');
    stream.session?.goaway(code, stream.id - 2);
  }, true);
}

/** A message, and the stream ends bare. */
export function withoutTrailers(message: Uint8Array): RawAnswer {
  return onRequest((stream) => {
    stream.respond(grpcHeaders);
    stream.end(frame(message));
  });
}

/** A message that says it is so long, and is not. */
export function announce(length: number): RawAnswer {
  return bytes(frame(Buffer.alloc(16), { length }));
}

/** A small message that unpacks to so many bytes. */
export function gzipBomb(unpackedBytes: number): RawAnswer {
  const message = gzipSync(Buffer.alloc(unpackedBytes));
  return bytes(frame(message, { isCompressed: true }), okTrailers, { 'grpc-encoding': 'gzip' });
}

export const brokenGzip: RawAnswer = bytes(
  frame(Buffer.from('no gzip'), { isCompressed: true }),
  okTrailers,
  { 'grpc-encoding': 'gzip' },
);

/**
 * A status without a message, sent at once with the headers.
 *
 * @param code a text is sent as it is.
 * @param details `grpc-status-details-bin` before base64.
 */
export function status(code: number | string, message = '', details?: Uint8Array): RawAnswer {
  const fields = statusFields(code, message, details);
  return onRequest((stream) => {
    stream.respond({ ...grpcHeaders, ...fields }, { endStream: true });
  }, refusingCodes.has(code));
}

/** The same, after the headers. */
export function statusInTrailers(code: number | string, message = ''): RawAnswer {
  const { act } = bytes(Buffer.alloc(0), statusFields(code, message));
  return onRequest(act, refusingCodes.has(code));
}

function statusFields(code: number | string, message: string, details?: Uint8Array) {
  return {
    'grpc-status': String(code),
    'grpc-message': encodeURIComponent(message),
    ...(details !== undefined && {
      'grpc-status-details-bin': Buffer.from(details).toString('base64'),
    }),
  };
}

/** A page of plain HTTP, as a proxy or a web server sends it. */
export function html(statusCode: number): RawAnswer {
  return onRequest((stream) => {
    stream.respond({ ':status': statusCode, 'content-type': 'text/html' });
    stream.end(`<html><body><h1>${statusCode}</h1></body></html>`);
  }, [401, 403, 404].includes(statusCode));
}

const halfMessage = frame(Buffer.alloc(100)).subarray(0, 40);

type Progress = 'request' | 'headers' | 'half a message';

/** Goes on to so far in the answer, and then breaks it off. */
function until(progress: Progress, breakOff: (stream: ServerHttp2Stream) => void): RawAnswer {
  return onRequest((stream) => {
    if (progress === 'request') return breakOff(stream);
    stream.respond(grpcHeaders);
    // What was written has to be on its way: a reset would overtake it.
    const written = progress === 'headers' ? Buffer.alloc(0) : halfMessage;
    stream.write(written, () => setImmediate(() => breakOff(stream)));
  });
}

/** RST_STREAM. Once headers are sent, Node can only make it INTERNAL_ERROR. */
export function reset(code: number, after: Progress = 'request'): RawAnswer {
  if (after === 'request') return onRequest((stream) => stream.close(code));
  if (code !== constants.NGHTTP2_INTERNAL_ERROR) throw new RangeError('not with this code');
  return until(after, (stream) => stream.destroy(new Error('reset on order')));
}

/** Breaks the connection off. */
export function cut(after: Progress = 'request'): RawAnswer {
  return until(after, (stream) => stream.session?.destroy());
}

export const cutConnection: RawAnswer = cut();

/** Breaks the connection off before the request is read. */
export const cutAtOnce: RawAnswer = {
  at: 'headers',
  isRefusal: false,
  act: (stream) => stream.session?.destroy(),
};

export const enhanceYourCalm: RawAnswer = reset(constants.NGHTTP2_ENHANCE_YOUR_CALM);

/** GOAWAY for the whole connection, which then answers nothing any more. */
export function goaway(code: number, data?: Buffer): RawAnswer {
  return onRequest((stream) => stream.session?.goaway(code, 0, data));
}

/** Never says anything. */
export const hang: RawAnswer = onRequest(() => undefined);

export const hangAfterHeaders: RawAnswer = onRequest((stream) => stream.respond(grpcHeaders));
