import { expect, test } from 'vitest';
import { filesBelow, layerOf, textOf } from './source-file.ts';

/** Every text of src/ but the generated ones: names, comments, messages, the playground's pages. */
const files = ['.ts', '.js', '.html', '.css']
  .flatMap((ending) => filesBelow(['src'], ending))
  .filter((path) => layerOf(path) !== 'gen');

/** Names that callers or a library chose; the words in them are not ours to change. */
const exceptions: readonly RegExp[] = [
  // A setting, components of the OpenAPI document and a code: callers rely on them.
  /\bPICTURE_BYTES_MAX\b/g,
  /\bOpenAiPictureError\b/g,
  /\bid: 'Fault'/g,
  /'both_spellings'/g,
  // Fastify's own word for what it registers.
  /\bFastifyPlugin\w*\b|\bfastify-plugin\b/g,
];

/** Words that are the right ones in one folder. */
const allowedIn: Readonly<Record<string, string>> = { fault: 'emulator', faults: 'emulator' };

/** The words of the last column of every table in the glossary. */
function wordsNotToUse(): readonly string[] {
  const rows = textOf('docs/glossary.md').matchAll(/^\|.*\|([^|]*)\|$/gm);
  const words = Array.from(rows, ([, cell = '']) =>
    Array.from(cell.matchAll(/`([^`]+)`/g), ([, word = '']) => word),
  );
  return [...new Set(words.flat())];
}

/** `imageBytesMax`, `IMAGE_BYTES_MAX` and `image-bytes max` are the words image, bytes and max. */
function wordsOf(text: string): string {
  const parts = text
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1 $2')
    .toLowerCase()
    .match(/[a-z0-9]+/g);
  return ` ${(parts ?? []).join('  ')} `;
}

/** How often each word stands in a text, in the order of the words. */
function usesOf(words: readonly string[], text: string): ReadonlyMap<string, number> {
  const ours = exceptions.reduce((left, exception) => left.replace(exception, ''), text);
  const all = wordsOf(ours);
  const counts = words.map((word) => [word, all.split(wordsOf(word)).length - 1] as const);
  return new Map(counts.filter(([, count]) => count > 0));
}

test('no word that the glossary replaces stands in src', () => {
  const words = wordsNotToUse();
  const found = files.flatMap((path) =>
    Array.from(usesOf(words, textOf(path)).keys())
      .filter((word) => allowedIn[word] !== layerOf(path))
      .map((word) => `"${word}" stands in ${path}`),
  );
  expect(found).toStrictEqual([]);
});

test('a word is found in names of every form, in comments and in texts, and not inside another', () => {
  const words = ['picture', 'read line'];
  for (const text of [
    'const lastPicture = 1;',
    'PICTURE_MAX',
    "import './picture-memory.ts';",
    '// A picture.',
    "'the picture is gone'",
  ]) {
    expect(usesOf(words, text)).toStrictEqual(new Map([['picture', 1]]));
  }
  expect(usesOf(words, 'this.#readLine.next(readLine)')).toStrictEqual(new Map([['read line', 2]]));
  expect(usesOf(words, '/**\n * A read\n * line.')).toStrictEqual(new Map([['read line', 1]]));
  expect(usesOf(words, 'picturesque, spread lines')).toStrictEqual(new Map());
  expect(usesOf(words, 'PICTURE_BYTES_MAX and OpenAiPictureError')).toStrictEqual(new Map());
});

test('the glossary has words to look for', () => {
  expect(wordsNotToUse()).toEqual(expect.arrayContaining(['picture', 'answer', 'told']));
});
