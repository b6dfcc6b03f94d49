/** The start of a text, cut between characters, not within one; an ellipsis shows that it was cut. */
export function cutText(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text;
  const start = text.slice(0, charactersMax - 1);
  const isWithinPair = /[\ud800-\udbff]$/.test(start);
  return `${isWithinPair ? start.slice(0, -1) : start}…`;
}
