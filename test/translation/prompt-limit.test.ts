import { expect, test } from 'vitest';
import {
  imageGenerationRequestFromBody,
  type ImageDefaults,
} from '../../src/translation/images.ts';

const defaults: ImageDefaults = {
  folderId: 'folder',
  defaultModel: 'yandex-art/latest',
  modelAliases: new Map(),
  promptCharactersMax: 500,
  promptCharactersMaxByModel: new Map(),
};
const requestOf = (prompt: string) =>
  imageGenerationRequestFromBody({ prompt }, defaults, { mediaType: 'image/jpeg', drawnSeed: 1n });

test('a decomposed prompt counts as people count it, and is sent as it was written', () => {
  const decomposed = 'e\u0301'.repeat(500);
  expect(requestOf(decomposed).generate.messages[0]?.text).toBe(decomposed);
  expect(() => requestOf(`${decomposed}x`)).toThrow(/has 501 characters; the model takes 500/);
});
