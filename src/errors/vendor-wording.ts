/**
 * Words of the vendor's moderation refusals. Moderation has no code of its own
 * and comes in several wordings in two languages; these words they all share.
 */
const moderationWordings = [
  /not possible to generate an image from this request/i,
  /violate the terms of us(?:e|age)/i,
  /не могу сгенерировать/i,
  /другую тему/i,
];

/** Whether a message of the vendor says that the prompt broke its content rules. */
export function isModerationRefusal(message: string): boolean {
  return moderationWordings.some((wording) => wording.test(message));
}

const promptLimit = /Prompt positive size \d+ exceeds limit/i;

/** Whether a message of the vendor says that the prompt has too many characters. */
export function isPromptLimit(message: string): boolean {
  return promptLimit.test(message);
}

/** What a refused request names as wrong. */
export type Culprit = 'model' | 'folder' | 'credential';

/** Beginnings of the vendor's messages: `Access to model art://… denied`, `Token is invalid or has expired.` */
const culprits: readonly (readonly [RegExp, Culprit])[] = [
  [/^Access to model\b/i, 'model'],
  [/^Model URI\b/i, 'model'],
  [/^Specified folder ID\b/i, 'folder'],
  [/^Token is invalid\b/i, 'credential'],
];

/** What a message of the vendor's names as wrong, if it is one of those that do. */
export function culpritFromMessage(message: string): Culprit | undefined {
  return culprits.find(([beginning]) => beginning.test(message))?.[1];
}
