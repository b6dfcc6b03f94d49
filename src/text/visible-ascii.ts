const visibleAscii = /^[\x21-\x7e]+$/;

/**
 * Whether a text is visible ASCII without spaces, and neither empty nor too long:
 * what may stand in a header, in metadata or in a log line as it is.
 */
export function isVisibleAscii(text: string, charactersMax = Infinity): boolean {
  return text.length <= charactersMax && visibleAscii.test(text);
}
