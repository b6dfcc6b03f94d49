/**
 * A text from outside, fit for a response or a log line: bounded, on one line,
 * without control characters. Cut between characters, not within one.
 */
export function printableText(text: string, charactersMax: number): string {
  const clean = text
    .slice(0, 4 * charactersMax)
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .trim();
  return Array.from(clean).slice(0, charactersMax).join('').toWellFormed();
}
