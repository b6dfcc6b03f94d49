import type { FastifyReply } from 'fastify';
import { GatewayError } from '../errors/gateway-error.ts';
import { cutText } from '../text/cut-text.ts';

const header = 'x-ignored-params';
const entriesMax = 16;
const charactersMax = 512;
/** Percent-encoding makes up to twelve characters of one. */
const nameCharactersMax = 40;

/** The entry of a query parameter. */
export function ignoredParameter(name: string): string {
  return `?${encodeURIComponent(cutText(name, nameCharactersMax).toWellFormed())}`;
}

/** The entry of a body field, by its JSON pointer. */
export function ignoredField(pointer: string): string {
  // encodeURI keeps what pointers are made of; a comma would end the entry.
  return encodeURI(cutText(pointer, nameCharactersMax).toWellFormed()).replaceAll(',', '%2C');
}

/** @throws GatewayError `invalid_request` for fields that would be ignored, where a caller forbids that. */
export function refuseIgnored(pointers: readonly string[]): void {
  if (pointers.length === 0) return;
  const names = pointers.map((pointer) => pointer.replace(/^#\//, ''));
  const detail = 'this gateway can not follow it';
  throw new GatewayError('invalid_request', `${names.join(', ')}: ${detail}`, {
    outcome: 'not_started',
    violations: pointers.map((pointer) => ({ pointer, code: 'ignored', detail })),
  });
}

/**
 * Names what was ignored in X-Ignored-Params, beside what is named there
 * already. Names come from callers and may be anything: entries are
 * percent-encoded and bounded, as one that no header can hold would lose a paid
 * image. Values are never named.
 */
export function reportIgnored(reply: FastifyReply, entries: readonly string[]): void {
  if (entries.length === 0) return;
  const known = reply.getHeader(header);
  const list = typeof known === 'string' ? known.split(', ') : [];
  let characters = typeof known === 'string' ? known.length : 0;
  for (const entry of entries) {
    characters += entry.length + 2;
    if (list.length === entriesMax || characters > charactersMax) break;
    list.push(entry);
  }
  if (list.length > 0) reply.header(header, list.join(', '));
}
