import { createHash } from 'node:crypto';
import { GatewayError } from '../errors/gateway-error.ts';
import { isVisibleAscii } from '../text/visible-ascii.ts';

const charactersMax = 255;

/**
 * The idempotency key of a request: 1 … 255 visible ASCII characters, bare or
 * as a quoted string (RFC 8941). Undefined when there is none.
 *
 * @param rawHeaders names and values in turn, as they were received: Node joins lines of one name.
 * @throws GatewayError `idempotency_key_invalid`.
 */
export function idempotencyKeyFromHeaders(rawHeaders: readonly string[]): string | undefined {
  let found: string | undefined;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() !== 'idempotency-key') continue;
    if (found !== undefined) throw invalid('expected one header line');
    found = rawHeaders[index + 1] ?? '';
  }
  return found === undefined ? undefined : keyFromText(found.trim());
}

function keyFromText(text: string): string {
  const isQuoted = text.startsWith('"');
  if (isQuoted && !/^"(?:[^"\\]|\\["\\])*"$/.test(text)) {
    throw invalid('expected a closing quote, and backslashes only before quotes and backslashes');
  }
  const key = isQuoted ? text.slice(1, -1).replace(/\\(["\\])/g, '$1') : text;
  if (key.length === 0) throw invalid('expected a key, got an empty one');
  if (key.length > charactersMax) throw invalid(`expected at most ${charactersMax} characters`);
  if (!isVisibleAscii(key)) throw invalid('expected visible ASCII characters only');
  return key;
}

function invalid(detail: string): GatewayError {
  return new GatewayError('idempotency_key_invalid', `Idempotency-Key: ${detail}`, {
    outcome: 'not_started',
    violations: [{ header: 'Idempotency-Key', code: 'pattern', detail }],
  });
}

/** Name of the record of a key, by subject and route. A hash, because keys may contain personal data. */
export function recordKeyOf(keysOf: string, operationId: string, key: string): string {
  return sha256(JSON.stringify([keysOf, operationId, key]));
}

/** Hash of what a create asks for in canonical form. */
export function fingerprintOf(asked: unknown): string {
  return sha256(canonicalJson(asked));
}

function canonicalJson(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`;
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`).join(',')}}`;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
