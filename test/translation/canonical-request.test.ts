import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fingerprintOf } from '../../src/http/idempotency-key.ts';
import { createImage } from '../../src/schemas/contracts/image-contracts.ts';
import { createOpenAiImage } from '../../src/schemas/contracts/openai-contracts.ts';
import { snakeFromCamel } from '../../src/schemas/field-names.ts';
import { parseBody } from '../../src/schemas/parse.ts';
import {
  canonicalImageRequest,
  canonicalOpenAiRequest,
} from '../../src/translation/canonical-request.ts';
import type { ModelNames } from '../../src/translation/models.ts';

const names: ModelNames = {
  folderId: 'b1g',
  defaultModel: 'yandex-art/latest',
  modelAliases: new Map([['fast', 'yandex-art/rc']]),
};

type Json = Record<string, unknown>;

function fingerprint(json: unknown): string {
  const { body } = parseBody(createImage.body!, json, { lenient: false });
  return fingerprintOf(canonicalImageRequest(body, names));
}

function openAiFingerprint(json: unknown, folder: Partial<ModelNames> = {}): string {
  const { body } = parseBody(createOpenAiImage.body!, json, { lenient: false });
  const format = body.responseFormat ?? 'b64_json';
  return fingerprintOf(canonicalOpenAiRequest(body, { ...names, ...folder }, format));
}

/** What a caller wants, before it writes it down. */
interface Intent {
  readonly prompt: string;
  readonly negativePrompt: string | undefined;
  readonly model: string | undefined;
  readonly seed: bigint | undefined;
  readonly ratio: readonly [number, number] | undefined;
  readonly mimeType: string | undefined;
}

const intents = fc.record<Intent>({
  prompt: fc.constantFrom('q', 'a cat', 'é', 'e\u0301'),
  negativePrompt: fc.constantFrom(undefined, 'text', 'q'),
  model: fc.constantFrom(undefined, 'yandex-art', 'yandex-art/rc', 'fast', 'art://other/x/latest'),
  seed: fc.constantFrom(undefined, 1n, 1863n, 9_007_199_254_740_993n),
  ratio: fc.constantFrom(undefined, [16, 9] as const, [9, 16] as const, [1, 1] as const),
  mimeType: fc.constantFrom(undefined, 'image/jpeg', 'image/png'),
});

const choice = <Value>(...values: Value[]) => fc.constantFrom(...values);

/** One of the ways to write an intent in the native form: every choice is the chooser's. */
function written(intent: Intent, pick: <Value>(...values: Value[]) => Value): Json {
  const { prompt, negativePrompt, model, seed, ratio, mimeType } = intent;
  const parts = [
    { text: prompt, weight: 1 },
    { text: negativePrompt, weight: -1 },
  ] as const;
  const [positive, negative] = parts;
  const messages = [pick<Json>(positive, { text: prompt }, { text: prompt, weight: '1.0' })];
  if (negativePrompt !== undefined) messages.push(negative);
  const short = {
    prompt,
    ...(negativePrompt === undefined ? pick({}, { negativePrompt: '' }) : { negativePrompt }),
  };
  const media =
    mimeType === 'image/jpeg' ? ['image/jpeg', 'image/jpg', 'jpg', 'IMAGE/JPEG'] : [mimeType];
  const [wide, high] = ratio ?? [0, 0];
  const times = pick(1, 2, 64);
  const longRatio = {
    widthRatio: pick<unknown>(wide * times, String(wide * times)),
    heightRatio: high * times,
  };
  const options: Json = {};
  const body: Json = pick<Json>(
    { ...short, ...pick({}, { messages: [] }) },
    { messages, ...pick({}, { prompt: ' ' }) },
  );
  if (seed !== undefined) pick(body, options)['seed'] = String(seed);
  else
    Object.assign(pick(body, options), pick<Json>({}, { seed: 0 }, { seed: '0' }, { seed: null }));
  if (mimeType !== undefined) pick(body, options)['mimeType'] = pick(...media);
  else Object.assign(pick(body, options), pick<Json>({}, { mimeType: '' }));
  if (ratio !== undefined && pick(true, false)) options['aspectRatio'] = longRatio;
  else if (ratio !== undefined)
    body['aspectRatio'] = `${wide * times}${pick(':', 'x')}${high * times}`;
  else Object.assign(body, pick<Json>({}, { aspectRatio: '0:0' }, { aspectRatio: '' }));
  if (ratio === undefined)
    Object.assign(
      options,
      pick<Json>({}, { aspectRatio: {} }, { aspectRatio: { widthRatio: 0, heightRatio: '0' } }),
    );
  if (model === undefined) Object.assign(body, pick<Json>({}, { model: '' }, { modelUri: '' }));
  else if (model.startsWith('art:')) body[pick('model', 'modelUri')] = model;
  else if (model === 'yandex-art')
    Object.assign(
      body,
      pick<Json>(
        { model },
        { model: `${model}/latest` },
        { modelUri: 'art://b1g/yandex-art/latest' },
      ),
    );
  else body['model'] = model;
  if (Object.keys(options).length > 0 || pick(true, false)) body['generationOptions'] = options;
  const shuffled = pick(true, false) ? Object.entries(body).toReversed() : Object.entries(body);
  const nameOf = pick((name: string) => name, snakeFromCamel);
  return Object.fromEntries(shuffled.map(([name, value]) => [nameOf(name), value]));
}

describe('a request in the native form', () => {
  it('has one fingerprint in all the ways that it can be written', () => {
    fc.assert(
      fc.property(intents, fc.gen(), (intent, gen) => {
        const pick = <Value>(...values: Value[]) => gen(() => choice(...values));
        expect(fingerprint(written(intent, pick))).toBe(fingerprint(written(intent, pick)));
      }),
      { numRuns: 2_000 },
    );
  });

  it('has another fingerprint than every other request', () => {
    fc.assert(
      fc.property(intents, intents, fc.gen(), (one, other, gen) => {
        const pick = <Value>(...values: Value[]) => gen(() => choice(...values));
        const areEqual = fingerprint(written(one, pick)) === fingerprint(written(other, pick));
        expect(areEqual).toBe(sameText(one) === sameText(other));
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    [{ messages: [{ text: 'q', weight: 0 }] }, { messages: [{ text: 'q' }] }],
    [{ messages: [{ text: 'q' }, { text: 'r' }] }, { messages: [{ text: 'r' }, { text: 'q' }] }],
    [{ messages: [{ text: 'qr' }] }, { messages: [{ text: 'q' }, { text: 'r' }] }],
    [{ prompt: 'q', seed: 1 }, { prompt: 'q' }],
    [
      { prompt: 'q', model: 'fast' },
      { prompt: 'q', model: 'fast/latest' },
    ],
    [
      { prompt: 'q', model: 'yandex-art' },
      { prompt: 'q', model: 'art://b1g/yandex-art' },
    ],
    [{ prompt: 'q', model: 'yandex-art' }, { prompt: 'q' }],
    [{ prompt: 'q ' }, { prompt: 'q' }],
  ])('%j is another request than %j', (one, other) => {
    expect(fingerprint(one)).not.toBe(fingerprint(other));
  });
});

describe('a request in OpenAI’s form', () => {
  it.each<Json>([
    { seed: 0 },
    { seed: '0', n: 1, size: 'auto' },
    { stream: false, background: 'opaque', frame_count: 1 },
    { n: null, background: 'auto', response_format: 'b64_json' },
    { aspect_ratio: '0:0' },
  ])('is the same with %j, which says nothing', (more) => {
    expect(openAiFingerprint({ prompt: 'q', ...more })).toBe(openAiFingerprint({ prompt: 'q' }));
  });

  it('is the same for one ratio in either field', () => {
    const [size, ratio] = [{ size: '1600x900' }, { aspect_ratio: '32:18' }];
    expect(openAiFingerprint({ prompt: 'q', ...size })).toBe(
      openAiFingerprint({ prompt: 'q', ...ratio }),
    );
  });

  it.each<Json>([
    { seed: 1 },
    { n: 2 },
    { stream: true },
    { size: '1024x1536' },
    { user: 'ann' },
    { response_format: 'url' },
    { output_format: 'png' },
  ])('is another with %j', (more) => {
    expect(openAiFingerprint({ prompt: 'q', ...more })).not.toBe(
      openAiFingerprint({ prompt: 'q' }),
    );
  });

  it('is another one in another folder', () => {
    const folders = [
      {},
      { folderId: 'one', isFolderCallers: true },
      { folderId: 'two', isFolderCallers: true },
    ];
    const found = folders.map((folder) => openAiFingerprint({ prompt: 'q' }, folder));
    expect(new Set(found).size).toBe(3);
  });
});

function sameText(intent: Intent): string {
  return JSON.stringify(intent, (_name, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  );
}
