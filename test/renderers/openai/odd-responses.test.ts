import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { HttpResponse } from '../../../src/renderers/http-exchange.ts';
import { modelListFromEnd } from '../../../src/renderers/openai/model-list.ts';
import { failureFromEnd } from '../../../src/renderers/openai/response-failure.ts';
import { imageFromResponse } from '../../../src/renderers/openai/response-image.ts';
import { RendererError } from '../../../src/renderers/renderer.ts';

const leaf = fc.oneof(
  ...[fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.double()],
  fc.constantFrom('https://x/1.png', '/1.png', 'data:image/png;base64,AA==', 'iVBORw0KGgo='),
);
const names = fc.constantFrom(
  ...[
    'data',
    'b64_json',
    'url',
    'respect_moderation',
    'error',
    'detail',
    'code',
    'type',
    'message',
  ],
  ...['inner_error', 'innererror', 'msg', 'id', 'owned_by', 'created', '__proto__', 'length'],
);
const { value } = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 5 }, leaf, tie('list'), tie('record')),
  list: fc.array(tie('value'), { maxLength: 3 }),
  record: fc.dictionary(names, tie('value'), { maxKeys: 5 }),
}));
const responses = fc.record({
  status: fc.integer({ min: 100, max: 599 }),
  content: value,
  isFramed: fc.boolean(),
  cutAt: fc.nat({ max: 200 }),
});

it('a response of any JSON, whole or cut, is an image, an address or a known failure', () => {
  fc.assert(
    fc.property(responses, ({ status, content, isFramed, cutAt }) => {
      const text = JSON.stringify(content);
      const body = Buffer.from(cutAt % 2 === 0 ? text : text.slice(0, cutAt));
      const end: HttpResponse = { kind: 'response', status, headers: {}, body, isFramed };
      const options = { is429Unknown: false, secrets: ['a red cat'], nowMs: 0 };
      for (const read of [
        () => failureFromEnd(end, options),
        () => imageFromResponse(end, 1_048_576),
        () => modelListFromEnd(end),
      ]) {
        expect(resultOf(read)).not.toBeInstanceOf(TypeError);
      }
    }),
    { numRuns: 3_000 },
  );
});

/** @throws what is no RendererError. */
function resultOf(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    if (error instanceof RendererError) return error;
    throw error;
  }
}

it('a body of nothing but brackets is no image', () => {
  const body = Buffer.alloc(4_000_000, '[');
  const end: HttpResponse = { kind: 'response', status: 200, headers: {}, body, isFramed: true };
  expect(resultOf(() => imageFromResponse(end, 1_048_576))).toMatchObject({ failure: 'no_image' });
});
