import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';

/** Multiple of 3, so that the pieces join to one base64 text. */
const pieceBytes = 49_152;

/** A text that is written between two images, or around one. */
export type Part = string | Uint8Array;

/**
 * Sends JSON with images inside, as base64. Written to the socket in pieces:
 * as one string it would be held twice and stall the loop.
 *
 * @param parts Texts as they are, bytes as base64.
 */
export function sendBase64Json(reply: FastifyReply, parts: readonly Part[]): FastifyReply {
  const length = parts.reduce((sum, part) => sum + lengthOf(part), 0);
  return reply
    .header('content-type', 'application/json; charset=utf-8')
    .header('content-length', String(length))
    .send(Readable.from(piecesOf(parts), { objectMode: false }));
}

/** The parts as one text, in pieces. */
export function* piecesOf(parts: readonly Part[]): Generator<Buffer> {
  for (const part of parts) {
    if (typeof part === 'string') {
      yield Buffer.from(part);
      continue;
    }
    const image = Buffer.from(part.buffer, part.byteOffset, part.byteLength);
    for (let start = 0; start < image.length; start += pieceBytes) {
      const text = image.toString('base64', start, Math.min(start + pieceBytes, image.length));
      yield Buffer.from(text, 'latin1');
    }
  }
}

function lengthOf(part: Part): number {
  return typeof part === 'string' ? Buffer.byteLength(part) : 4 * Math.ceil(part.byteLength / 3);
}
