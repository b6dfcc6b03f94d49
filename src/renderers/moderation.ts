import { isModerationRefusal } from '../errors/vendor-wording.ts';
import type { BackendWords } from './backend-words.ts';

const codes: ReadonlySet<string> = new Set([
  'moderation_blocked',
  'content_policy_violation',
  'contentFilter',
  'content_filter',
]);
const innerCode = 'ResponsibleAIPolicyViolation';
/** Statuses at which a text may say so. */
const statuses: ReadonlySet<number> = new Set([400, 403, 422]);
const wordings = /safety system|content policy|\bNSFW\b/i;

export const moderatedMessage = 'the image model refused the prompt for its content';

/**
 * Whether a backend refused a prompt for its content.
 *
 * `type: image_generation_user_error` alone does not say so: it stands in other
 * refusals too.
 *
 * @param words Without the prompt: a prompt may quote any of the wordings.
 */
export function isModerated(status: number, words: BackendWords): boolean {
  if (!statuses.has(status)) return false;
  if ([words.code, words.type].some((code) => codes.has(code))) return true;
  if (words.innerCode === innerCode) return true;
  return wordings.test(words.message) || isModerationRefusal(words.message);
}
