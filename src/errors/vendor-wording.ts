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
