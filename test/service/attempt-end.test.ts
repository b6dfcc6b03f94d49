import { expect, it } from 'vitest';
import {
  RendererError,
  type RendererErrorOptions,
  type RendererFailure,
  type SpendClass,
} from '../../src/renderers/renderer.ts';
import { attemptEnd } from '../../src/service/attempt-end.ts';
import { backendWords } from '../../src/service/backend-words.ts';

const again = 'again';

/** `again` (with the attempt given back or not), or the code of the end; and what was spent. */
function endOf(
  failure: RendererFailure,
  options: RendererErrorOptions,
  spend: SpendClass,
  attempts: number,
) {
  const error = new RendererError(failure, 'no', options);
  const facts = { spend, backend: 'b', attempts, plan: undefined, deadlineLeftMs: 60_000 };
  const end = attemptEnd(error, facts);
  if (end.kind === 'requeue') return [again, end.givesBack ? 'given back' : 'counted', end.spent];
  return [end.failure.code, end.failure.reason ?? '', end.spent];
}

it.each<[RendererFailure, RendererErrorOptions, SpendClass, number, readonly unknown[]]>([
  ['not_sent', {}, 'free', 9, [again, 'given back', 'no']],
  ['not_sent', {}, 'once', 9, [again, 'given back', 'no']],
  ['busy', {}, 'once', 9, [again, 'given back', 'no']],
  ['busy', { retryAfterMs: 60_001 }, 'once', 1, [8, '', 'no']],
  ['quota', {}, 'once', 1, [8, '', 'no']],
  ['credential', {}, 'once', 1, [16, '', 'no']],
  ['misconfigured', {}, 'once', 1, [13, '', 'no']],
  ['refused', {}, 'once', 1, [3, '', 'no']],
  ['prompt_too_long', {}, 'once', 1, [3, '', 'no']],
  ['moderated', {}, 'once', 1, [3, '', 'no']],
  ['moderated', { isSpent: true }, 'once', 1, [3, '', 'yes']],
  ['no_image', {}, 'once', 1, [13, '', 'yes']],
  ['failed', {}, 'once', 1, [13, '', 'yes']],
  ['unknown', { lossCause: 'reset' }, 'once', 1, [10, 'OUTCOME_UNKNOWN', 'unknown']],
  ['unknown', { lossCause: 'status' }, 'findable', 1, [10, 'OUTCOME_UNKNOWN', 'unknown']],
  ['unknown', { lossCause: 'reset' }, 'free', 2, [again, 'counted', 'unknown']],
  ['unknown', { lossCause: 'reset' }, 'free', 3, [13, '', 'unknown']],
  ['unknown', { lossCause: 'status', attemptsMax: 2 }, 'free', 1, [again, 'counted', 'unknown']],
  ['unknown', { lossCause: 'status', attemptsMax: 2 }, 'free', 2, [13, '', 'unknown']],
  ['unknown', { lossCause: 'status', attemptsMax: 1 }, 'free', 1, [13, '', 'unknown']],
  ['unknown', { lossCause: 'timeout' }, 'free', 1, [4, '', 'unknown']],
  ['failed', {}, 'free', 1, [again, 'counted', 'unknown']],
])(
  '%s %j of a renderer that is %s ends attempt %d as %j',
  (failure, options, spend, attempts, end) => {
    expect(endOf(failure, options, spend, attempts)).toStrictEqual(end);
  },
);

it('an error that no renderer throws is an end that no one knows, and shows nothing of itself', () => {
  const facts = {
    spend: 'once',
    backend: 'b',
    attempts: 2,
    plan: undefined,
    deadlineLeftMs: 1,
  } as const;
  const end = attemptEnd(new TypeError('secret'), facts);
  expect(end).toMatchObject({
    failure: { code: 10, metadata: { backend: 'b', attempts: '2' } },
    lossCause: 'reset',
  });
  expect(JSON.stringify(end)).not.toContain('secret');
});

it.each([
  ['your prompt "a red cat" is bad', 'your prompt "…" is bad'],
  ['A RED CAT, a red catalogue', 'A RED CAT, a red catalogue'],
  [String.raw`"two\nlines" is bad`, '"…" is bad'],
  ['no fog, please', 'no …, please'],
])('the texts of a request are cut out of %j', (text, left) => {
  const plan = {
    prompt: text.includes('lines') ? 'two\nlines' : 'a red cat',
    negativePrompts: ['fog'],
  };
  expect(backendWords(text, plan)).toBe(left);
});

it('a backend is quoted with 500 characters at most', () => {
  expect([...backendWords('ы'.repeat(2_000), undefined)]).toHaveLength(500);
});
