const pieceUnits = 1_024;
const joining = /[\p{M}\u1160-\u11ff\udc00-\udfff]/u;

/**
 * The characters of a text as people count them, nearly: code points after
 * normalization (NFC), so that an accent counts the same however it was typed.
 *
 * In pieces: normalizing takes time that grows with the square of the marks in
 * a row. A piece ends before a character that begins another one, or after 2 KiB
 * where there is none.
 */
export function characterCount(text: string): number {
  let count = 0;
  let start = 0;
  while (start < text.length) {
    let end = start + pieceUnits;
    while (end < start + 2 * pieceUnits && joining.test(text.charAt(end))) end += 1;
    count += codePointCount(text.slice(start, end).normalize('NFC'));
    start = end;
  }
  return count;
}

function codePointCount(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
