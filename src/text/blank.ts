/**
 * Characters that alone show nothing: white space, control and format
 * characters (zero-width ones, marks of direction), combining marks without a
 * base, fillers, and the empty braille cell.
 */
const invisible = /^[\p{White_Space}\p{Cc}\p{Cf}\p{M}\p{Default_Ignorable_Code_Point}\u2800]*$/u;

/** Whether a text shows nothing to a reader; the empty text is one of them. */
export function isBlank(text: string): boolean {
  return invisible.test(text);
}
