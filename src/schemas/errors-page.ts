import { reasons } from '../errors/reason.ts';
import { problemKindOf } from './problem-catalog.ts';

/** The text of docs/errors.md: every problem code, its meaning, and what to do. */
export function problemPage(): string {
  const rows = reasons.map((reason) => {
    const { status, title, retryable, advice } = problemKindOf(reason);
    return `| \`${reason}\` | ${status} | ${title} | ${retryable ? 'yes' : 'no'} | ${advice} |`;
  });
  return [
    '# Errors',
    '',
    'Every error is a problem document (`application/problem+json`, RFC 9457). `code` is the word to switch on, `retryable`',
    'says whether the same request may succeed later without paying twice, `outcome` on a create says what became of the',
    'money: `not_started` (nothing was spent), `unknown` (it may have been spent), `accepted` (the operation goes on).',
    '',
    'This page is generated from `src/schemas/problem-catalog.ts` by `npm run generate`. The same texts are served at',
    '`/problems/{code}`.',
    '',
    '| code | status | title | retryable | what to do |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
