/** Whether If-None-Match names this ETag, by the weak comparison (RFC 9110, section 13.1.2). */
export function matchesETag(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === '*') return true;
  const opaque = etag.replace(/^W\//, '');
  return ifNoneMatch.split(',').some((item) => item.trim().replace(/^W\//, '') === opaque);
}

/** The range to send: first and last byte, both inclusive; `whole` when no range applies. */
export type ByteRange = 'whole' | 'unsatisfiable' | { readonly from: number; readonly to: number };

const singleRange = /^bytes=(\d*)-(\d*)$/;
const severalRanges = /^bytes=\s*\d*-\d*\s*(?:,\s*\d*-\d*\s*)+$/;

/**
 * Reads a Range header for an image of `byteLength` bytes (RFC 9110, section 14).
 *
 * For other units and for several ranges at once the whole image is sent, as
 * the RFC allows. A range of bytes that can't be read or lies outside the image
 * is unsatisfiable.
 */
export function byteRangeFromHeader(range: string | undefined, byteLength: number): ByteRange {
  if (range === undefined) return 'whole';
  const text = range.trim();
  if (!/^bytes=/i.test(text) || severalRanges.test(text)) return 'whole';
  const match = singleRange.exec(text.toLowerCase());
  const [first = '', last = ''] = match?.slice(1) ?? [];
  if (match === null || (first === '' && last === '')) return 'unsatisfiable';
  if (first === '') {
    const suffix = Math.min(Number(last), byteLength);
    return suffix === 0 ? 'unsatisfiable' : { from: byteLength - suffix, to: byteLength - 1 };
  }
  const from = Number(first);
  const to = last === '' ? byteLength - 1 : Math.min(Number(last), byteLength - 1);
  return from >= byteLength || from > to ? 'unsatisfiable' : { from, to };
}

/** Whether a Range still applies: If-Range must name this very ETag, strongly (section 13.1.5). */
export function ifRangeHolds(ifRange: string | undefined, etag: string): boolean {
  return ifRange === undefined || ifRange.trim() === etag;
}
