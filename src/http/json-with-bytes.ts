import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import type { JsonWithBytes } from '../translation/json-value.ts';

/** Multiple of 3, so that the pieces join to one base64 text. */
const pieceBytes = 49_152;

/** A piece of JSON text, or bytes whose base64 stands between two pieces. */
export type Part = string | Uint8Array;

/**
 * The JSON text of a value, in parts: each byte array is a part of its own,
 * between its two quotes.
 *
 * The bytes are put where the value has them while the text is written. Nothing
 * is searched in text that is written already, so no string in the value,
 * whatever it says, can be taken for the place of an image.
 */
export function partsFromJson(value: JsonWithBytes): readonly Part[] {
  const parts: Part[] = [];
  let text = '';
  for (const piece of fragmentsOf(value)) {
    if (typeof piece === 'string') {
      text += piece;
    } else {
      parts.push(text, piece);
      text = '';
    }
  }
  parts.push(text);
  return parts;
}

function* fragmentsOf(value: JsonWithBytes): Generator<Part> {
  if (value instanceof Uint8Array) {
    yield '"';
    yield value;
    yield '"';
  } else if (typeof value !== 'object' || value === null) {
    yield JSON.stringify(value);
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      yield index === 0 ? '[' : ',';
      yield* fragmentsOf(item as JsonWithBytes);
    }
    yield value.length === 0 ? '[]' : ']';
  } else {
    const entries = Object.entries(value);
    for (const [index, [name, field]] of entries.entries()) {
      yield `${index === 0 ? '{' : ','}${JSON.stringify(name)}:`;
      yield* fragmentsOf(field);
    }
    yield entries.length === 0 ? '{}' : '}';
  }
}

/**
 * Sends JSON with images inside, as base64. Written to the socket in pieces:
 * as one string it would be held twice and stall the loop.
 */
export function sendJsonWithBytes(reply: FastifyReply, value: JsonWithBytes): FastifyReply {
  const parts = partsFromJson(value);
  reply.header('content-type', 'application/json; charset=utf-8');
  if (parts.length === 1) return reply.send(parts[0]);
  const length = parts.reduce((sum, part) => sum + lengthOf(part), 0);
  return reply
    .header('content-length', String(length))
    .send(Readable.from(piecesOf(parts), { objectMode: false }));
}

/** The parts as one text, in pieces of bounded size. */
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
