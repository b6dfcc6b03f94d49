import { cutText } from '../text/cut-text.ts';

const segmentCharactersMax = 64;
const pointerCharactersMax = 256;

/**
 * A JSON pointer (RFC 6901) as a URI fragment: `#/messages/0/text`.
 *
 * Segments are the caller's own texts, of any length and number: long ones are
 * cut, which an ellipsis shows, so that a pointer never costs more than its
 * bounds. Keep it unmade until it is surely shown.
 */
export function jsonPointer(segments: readonly (string | number)[]): string {
  let pointer = '#';
  for (const segment of segments) {
    pointer += `/${escapedSegment(segment)}`;
    if (pointer.length > pointerCharactersMax) return cutText(pointer, pointerCharactersMax);
  }
  return pointer;
}

function escapedSegment(segment: string | number): string {
  if (typeof segment === 'number') return String(segment);
  return cutText(segment, segmentCharactersMax).replaceAll('~', '~0').replaceAll('/', '~1');
}
