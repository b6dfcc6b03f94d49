import type { RenderPlan } from '../renderers/renderer.ts';

const charactersMax = 500;
const cut = '…';
const urlWithQuery = /(https?:\/\/[^\s?#"'<>]+)[?#][^\s"'<>]*/gi;

/**
 * What a backend said, as far as others may read it: at most 500 characters, and
 * without the texts of the request, which backends like to repeat, or the query
 * of a URL, which may be a signature.
 */
export function backendWords(
  text: string,
  plan: Pick<RenderPlan, 'prompt' | 'negativePrompts'> | undefined,
): string {
  const texts = plan === undefined ? [] : [plan.prompt, ...plan.negativePrompts];
  const forms = texts.flatMap((each) => [each, JSON.stringify(each).slice(1, -1), each.trim()]);
  // The longest first: a text may hold another.
  const sorted = [...new Set(forms)].toSorted((a, b) => b.length - a.length);
  let left = text;
  for (const form of sorted) left = withoutText(left, form);
  left = left.replaceAll(urlWithQuery, `$1${cut}`);
  const characters = [...left];
  return characters.length <= charactersMax
    ? left
    : `${characters.slice(0, charactersMax - 1).join('')}${cut}`;
}

/** Cuts a text where it stands by itself: a prompt of one letter is not every such letter. */
function withoutText(words: string, text: string): string {
  if (text === '') return words;
  const escaped = text.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  const before = /^[\p{L}\p{N}]/u.test(text) ? String.raw`(?<![\p{L}\p{N}])` : '';
  const after = /[\p{L}\p{N}]$/u.test(text) ? String.raw`(?![\p{L}\p{N}])` : '';
  return words.replace(new RegExp(`${before}${escaped}${after}`, 'gu'), cut);
}
