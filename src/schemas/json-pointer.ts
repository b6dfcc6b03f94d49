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
    if (pointer.length > pointerCharactersMax) return cut(pointer, pointerCharactersMax);
  }
  return pointer;
}

function escapedSegment(segment: string | number): string {
  if (typeof segment === 'number') return String(segment);
  const text = segment.length > segmentCharactersMax ? cut(segment, segmentCharactersMax) : segment;
  return text.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** The start of a text, cut between characters, not within one. */
function cut(text: string, charactersMax: number): string {
  const start = text.slice(0, charactersMax - 1);
  const isWithinPair = /[\ud800-\udbff]$/.test(start);
  return `${isWithinPair ? start.slice(0, -1) : start}…`;
}
