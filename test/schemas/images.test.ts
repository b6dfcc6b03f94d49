import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { imageRequestFields, imageRequestSchema } from '../../src/schemas/images.ts';
import { parseBody } from '../../src/schemas/parse.ts';

const contract = { schema: imageRequestSchema, fields: imageRequestFields };
const parse = (json: unknown, lenient = false) => parseBody(contract, json, { lenient });

function errorOf(json: unknown, lenient = false): GatewayError {
  try {
    parse(json, lenient);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('was not refused');
}

const pointers = (json: unknown) =>
  errorOf(json).violations.map(({ pointer, code }) => [pointer, code]);

describe('an image request', () => {
  it('accepts the short form', () => {
    const { body } = parse({
      prompt: 'red cat',
      negativePrompt: 'text',
      model: 'yandex-art',
      aspectRatio: '16:9',
      seed: '1863',
      mimeType: 'image/jpeg',
    });
    expect(body).toEqual({
      prompt: 'red cat',
      negativePrompt: 'text',
      model: 'yandex-art',
      aspectRatio: { widthRatio: 16n, heightRatio: 9n },
      seed: 1863n,
      mimeType: 'image/jpeg',
    });
  });

  it('accepts the full form in the names of the proto file', () => {
    const { body } = parse({
      model_uri: 'art://b1g/yandex-art/latest',
      messages: [
        { text: 'red cat', weight: 1 },
        { text: 'text', weight: '-1.5' },
      ],
      generation_options: {
        mime_type: 'image/png',
        seed: 1863,
        aspect_ratio: { width_ratio: '2', height_ratio: 1 },
      },
    });
    expect(body).toEqual({
      modelUri: 'art://b1g/yandex-art/latest',
      messages: [
        { text: 'red cat', weight: 1 },
        { text: 'text', weight: -1.5 },
      ],
      generationOptions: {
        mimeType: 'image/png',
        seed: 1863n,
        aspectRatio: { widthRatio: 2n, heightRatio: 1n },
      },
    });
  });

  it('reads null as absent', () => {
    const { body } = parse({
      prompt: 'cat',
      seed: null,
      messages: null,
      generationOptions: { seed: null },
    });
    expect(body).toEqual({ prompt: 'cat', generationOptions: {} });
  });

  it.each([
    ['0', 0n],
    ['9007199254740993', 9007199254740993n],
    ['9223372036854775807', 2n ** 63n - 1n],
    [1e5, 100000n],
    [1.0, 1n],
    [-0, 0n],
  ])('takes the seed %s exactly', (seed, expected) => {
    expect(parse({ prompt: 'cat', seed }).body.seed).toBe(expected);
  });

  it.each([
    '0x10',
    '+1',
    ' 1',
    '1 ',
    '1.5',
    '1e5',
    '',
    '-1',

    '00',
    '01',
    '9223372036854775808',
    '99999999999999999999999999',
    '١',
    true,
    false,
    1.5,
    -1,
    2 ** 53,
    Number.NaN,
    [],
    {},
    ['1'],
  ])('refuses the seed %j', (seed) => {
    expect(errorOf({ prompt: 'cat', seed }).violations).toMatchObject([{ pointer: '#/seed' }]);
  });

  it.each([
    ['16:9', 16n, 9n],
    ['32:18', 16n, 9n],
    ['1024x1536', 2n, 3n],
    ['1:1', 1n, 1n],
    ['9223372036854775807:1', 9223372036854775807n, 1n],
  ])('reads the ratio %s in lowest terms', (aspectRatio, widthRatio, heightRatio) => {
    expect(parse({ prompt: 'cat', aspectRatio }).body.aspectRatio).toEqual({
      widthRatio,
      heightRatio,
    });
  });

  it.each([
    '16x',
    '16',
    ':9',
    '0:1',
    '1:0',
    '-1:2',
    '1.5:1',
    '16 : 9',
    '16X9',
    '9223372036854775808:1',
    'auto',
    16,
    {},
  ])('refuses the ratio %j', (aspectRatio) => {
    expect(errorOf({ prompt: 'cat', aspectRatio }).violations).toMatchObject([
      { pointer: '#/aspectRatio' },
    ]);
  });

  it('reads 0:0 as unset and refuses half a ratio', () => {
    const withRatio = (aspectRatio: object) => ({
      prompt: 'cat',
      generationOptions: { aspectRatio },
    });
    expect(() => parse(withRatio({ widthRatio: 0, heightRatio: '0' }))).not.toThrow();
    expect(pointers(withRatio({ widthRatio: 16 }))).toEqual([
      ['#/generationOptions/aspectRatio', 'pattern'],
    ]);
  });

  it('refuses both names of one field at once', () => {
    expect(pointers({ prompt: 'cat', negativePrompt: 'a', negative_prompt: 'a' })).toEqual([
      ['#/negative_prompt', 'both_spellings'],
    ]);
    expect(
      pointers({
        messages: [{ text: 'a' }],
        generation_options: { mimeType: 'image/png', mime_type: 'image/png' },
      }),
    ).toEqual([['#/generation_options/mime_type', 'both_spellings']]);
  });

  it.each([
    [{ prompt: 'a', messages: [{ text: 'b' }] }, ['#/prompt', '#/messages']],
    [{ negative_prompt: 'a', messages: [{ text: 'b' }] }, ['#/negative_prompt', '#/messages']],
    [{ prompt: 'a', model: 'm', model_uri: 'art://f/m' }, ['#/model', '#/model_uri']],
    [
      { prompt: 'a', seed: 1, generationOptions: { seed: 1 } },
      ['#/seed', '#/generationOptions/seed'],
    ],
    [
      { prompt: 'a', mime_type: 'image/png', generation_options: { mime_type: 'image/png' } },
      ['#/mime_type', '#/generation_options/mime_type'],
    ],
    [
      {
        prompt: 'a',
        aspectRatio: '1:1',
        generationOptions: { aspectRatio: { widthRatio: 1, heightRatio: 1 } },
      },
      ['#/aspectRatio', '#/generationOptions/aspectRatio'],
    ],
  ])('refuses a short form beside its long form, naming both: %j', (body, expected) => {
    expect(pointers(body)).toEqual(expected.map((pointer) => [pointer, 'both_forms']));
  });

  it('needs a prompt in one form', () => {
    expect(pointers({})).toEqual([['#/prompt', 'required']]);
    expect(pointers({ negativePrompt: 'a' })).toEqual([['#/prompt', 'required']]);
    expect(pointers({ messages: [] })).toMatchObject([['#/messages', 'too_small']]);
    expect(pointers({ prompt: '' })).toEqual([['#/prompt', 'too_small']]);
    expect(pointers({ messages: [{ weight: 1 }] })).toEqual([['#/messages/0/text', 'required']]);
  });

  it.each([
    [{ prompt: 1 }, '#/prompt'],
    [{ prompt: ['a'] }, '#/prompt'],
    [{ messages: 'a' }, '#/messages'],
    [{ messages: [1] }, '#/messages/0'],
    [{ messages: [{ text: {} }] }, '#/messages/0/text'],
    [{ messages: [{ text: 'a', weight: 'heavy' }] }, '#/messages/0/weight'],
    [{ messages: [{ text: 'a', weight: true }] }, '#/messages/0/weight'],
    [{ messages: [{ text: 'a', weight: '1e999' }] }, '#/messages/0/weight'],
    [{ prompt: 'a', generationOptions: [] }, '#/generationOptions'],
    [{ prompt: 'a', mimeType: 'text/html' }, '#/mimeType'],
    [{ prompt: 'a', model: 'a b' }, '#/model'],
    [{ prompt: 'a', model: '../x' }, '#/model'],
    [{ prompt: 'a', modelUri: 'http://x' }, '#/modelUri'],
    [{ prompt: 'a', model: `m${'a'.repeat(300)}` }, '#/model'],
  ])('gives the place of the violation in %j', (body, pointer) => {
    expect(errorOf(body).reason).toBe('invalid_request');
    expect(errorOf(body).violations.map(({ pointer: place }) => place)).toEqual([pointer]);
  });

  it.each([[], 'text', 1, true])('refuses a body that is %j', (body) => {
    expect(pointers(body)).toEqual([['#', 'type']]);
  });

  it('refuses unknown fields by name, at any depth', () => {
    const body = { prompt: 'cat', Prompt: 'x', generationOptions: { seeds: 1 }, 'a/b~c': 1 };
    expect(errorOf(body).reason).toBe('unknown_field');
    expect(pointers(body)).toEqual([
      ['#/Prompt', 'unknown_field'],
      ['#/generationOptions/seeds', 'unknown_field'],
      ['#/a~1b~0c', 'unknown_field'],
    ]);
    expect(pointers(JSON.parse('{"prompt":"a","__proto__":{"seed":1},"constructor":1}'))).toEqual([
      ['#/__proto__', 'unknown_field'],
      ['#/constructor', 'unknown_field'],
    ]);
  });

  it('ignores unknown fields when asked to, and lists them', () => {
    const { body, ignored } = parse(
      { prompt: 'cat', quality: 'hd', messages: null, size: null },
      true,
    );
    expect(body).toEqual({ prompt: 'cat' });
    expect(ignored).toEqual(['#/quality', '#/size']);
  });

  it('refuses other violations when unknown fields are ignored', () => {
    expect(errorOf({ prompt: 'cat', quality: 'hd', seed: -1 }, true).violations).toMatchObject([
      { pointer: '#/seed' },
    ]);
  });

  it('says that nothing was spent, and repeats no value', () => {
    const error = errorOf({ prompt: 'a secret wish', seed: 'hunter2', oops: 'hunter3' });
    expect(error.outcome).toBe('not_started');
    expect(JSON.stringify([error.detail, error.violations])).not.toMatch(/hunter|secret wish/);
  });
});
