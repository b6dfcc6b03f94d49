import { describe, expect, it } from 'vitest';
import { backendWords } from '../../src/service/backend-words.ts';

const plan = { prompt: 'a red cat', negativePrompts: ['dog'] };

describe('what a backend said', () => {
  it('loses the texts of the request, in quotes too', () => {
    expect(backendWords('no: "a red cat", dog', plan)).toBe('no: "…", …');
    expect(backendWords('hotdogs are fine', plan)).toBe('hotdogs are fine');
  });

  it('loses the query of a URL, which may be a signature', () => {
    const words = 'not at https://cdn.example.com/a/b.png?sig=SECRET&x=1, try http://b/c#d later';
    expect(backendWords(words, plan)).toBe(
      'not at https://cdn.example.com/a/b.png… try http://b/c… later',
    );
    expect(backendWords('really? see http://b/c', plan)).toBe('really? see http://b/c');
  });

  it('ends after 500 characters', () => {
    expect(backendWords('x'.repeat(900), plan)).toBe(`${'x'.repeat(499)}…`);
  });
});
