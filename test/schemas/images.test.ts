import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { createImage } from '../../src/schemas/contracts/image-contracts.ts';
import { parseBody, type BodyContract } from '../../src/schemas/parse.ts';
import type { imageRequestSchema } from '../../src/schemas/images.ts';

const contract = createImage.body as BodyContract<typeof imageRequestSchema>;
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
    expect(body).toEqual({ prompt: 'cat' });
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
    { width: 1 },
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
    expect(pointers({ messages: [] })).toEqual([['#/prompt', 'required']]);
    expect(pointers({ prompt: '' })).toEqual([['#/prompt', 'required']]);
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
    [{ prompt: 'a', generationOptions: [1] }, '#/generationOptions'],
    [{ prompt: 'a', mimeType: 'text/html' }, '#/mimeType'],
    [{ prompt: 'a', modelUri: 'http://x' }, '#/modelUri'],
  ])('gives the place of the violation in %j', (body, pointer) => {
    expect(errorOf(body).reason).toBe('invalid_request');
    expect(errorOf(body).violations.map(({ pointer: place }) => place)).toEqual([pointer]);
  });

  it.each([[], 'text', 1, true])('refuses a body that is %j', (body) => {
    expect(pointers(body)).toEqual([['#', 'type']]);
  });

  it.each([
    ['spaces', '   '],
    ['white space of other scripts', '\u00a0\u2003\u3000\u1680\u2028'],
    ['tabs and line ends', '\t\r\n\v\f\u0085'],
    ['zero-width characters', '\u200b\u200c\u200d\u2060\ufeff'],
    ['combining characters', '\u0301\u20dd\u0e31'],
    ['marks of direction', '\u200e\u202e\u2066\u2069'],
    ['fillers', '\u115f\u3164\uffa0\u2800\u00ad'],
    ['selectors and tags', '\ufe0f\u{e0041}\u{e0100}'],
  ])('reads a prompt of nothing but %s as empty', (_, blank) => {
    expect(pointers({ prompt: blank })).toEqual([['#/prompt', 'required']]);
    expect(pointers({ messages: [{ text: 'a' }, { text: blank }] })).toEqual([
      ['#/messages/1/text', 'required'],
    ]);
    const { body } = parse({ prompt: 'a', negativePrompt: blank });
    expect(body.negativePrompt).toBeUndefined();
  });

  it.each([
    'a',
    ' a ',
    '\u0301a',
    '0',
    '?',
    'кот',
    '猫',
    '😀',
    '\u200b猫',
    '\u{1f468}\u200d\u{1f469}',
  ])('keeps %j as it was written', (prompt) => {
    expect(parse({ prompt }).body.prompt).toBe(prompt);
  });

  it.each([
    [{ messages: [] }],
    [{ modelUri: '', model: 'm' }],
    [{ model: '', modelUri: 'art://f/m' }],
    [{ mimeType: '', generationOptions: { mimeType: 'image/png' } }],
    [{ mimeType: 'image/png', generation_options: { mime_type: '' } }],
    [{ generationOptions: {} }],
    [{ generationOptions: [] }],
    [{ generationOptions: { aspectRatio: {} }, aspectRatio: '1:1' }],
    [
      {
        generationOptions: { aspectRatio: { widthRatio: '0', heightRatio: 0 } },
        aspectRatio: '1:1',
      },
    ],
    [
      {
        generationOptions: { aspectRatio: { width_ratio: '', height_ratio: '' } },
        aspectRatio: '1:1',
      },
    ],
    [{ aspectRatio: '0:0', generationOptions: { aspectRatio: { widthRatio: 1, heightRatio: 2 } } }],
    [{ aspectRatio: '' }],
    [{ seed: 0, generationOptions: { seed: '5' } }],
    [{ seed: '5', generationOptions: { seed: 0 } }],
    [{ negativePrompt: '' }],
    [{ negativePrompt: '', negative_prompt: 'b' }],
  ])('reads empty as absent, beside the other form too: %j', (fields) => {
    expect(parse({ prompt: 'cat', ...fields }).body.prompt).toBe('cat');
  });

  it('takes messages where the prompt is empty', () => {
    const body = { prompt: '', negativePrompt: ' ', messages: [{ text: 'cat', weight: '' }] };
    expect(parse(body).body).toEqual({ messages: [{ text: 'cat' }] });
  });

  it.each([{ seed: '' }, { generationOptions: { seed: '' } }, { seed: [] }])(
    'refuses an empty seed: %j',
    (fields) => {
      expect(pointers({ prompt: 'cat', ...fields })).toHaveLength(1);
    },
  );

  it.each(['image/jpg', 'jpg', 'image/jpeg', 'IMAGE/JPEG', 'Image/JPG'])(
    'reads the media type %s as image/jpeg',
    (mimeType) => {
      expect(parse({ prompt: 'cat', mimeType }).body.mimeType).toBe('image/jpeg');
      const { body } = parse({ prompt: 'cat', generationOptions: { mimeType } });
      expect(body.generationOptions?.mimeType).toBe('image/jpeg');
    },
  );

  it.each(['image/jp', 'jpe', 'png', 'image/*', 'image/jpeg; q=1', 'image/svg+xml'])(
    'refuses the media type %s, and names those it knows',
    (mimeType) => {
      expect(errorOf({ prompt: 'cat', mimeType }).violations).toMatchObject([
        { pointer: '#/mimeType', code: 'value', detail: expect.stringContaining('image/avif') },
      ]);
    },
  );

  it('reports the first of many violations, and how many more there are', () => {
    const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`x${index}`, 1]));
    const { violations, detail } = errorOf({ prompt: 'cat', ...many });
    expect(violations).toHaveLength(32);
    expect(detail).toBe('#/x0: this name is not known (and 999 more)');
  });

  it('cuts a long name in its pointer, and the whole pointer', () => {
    const [{ pointer = '' } = { pointer: '' }] = errorOf({
      prompt: 'a',
      ['😀'.repeat(9_000)]: 1,
    }).violations;
    expect(pointer.length).toBeLessThanOrEqual(66);
    expect(pointer).toMatch(/^#\/(?:😀)+…$/u);
  });

  it('takes 256 messages and refuses more by their number', () => {
    const messages = (count: number) => ({
      messages: Array.from({ length: count }, () => ({ text: 'a' })),
    });
    expect(parse(messages(256)).body.messages).toHaveLength(256);
    expect(pointers(messages(257))).toEqual([['#/messages', 'too_big']]);
    expect(pointers(messages(5_000))).toEqual([['#/messages', 'too_big']]);
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
