import { describe, expect, it } from 'vitest';
import { addressesFromBase, authHeaders } from '../../../src/renderers/openai/backend-address.ts';
import {
  dialectOfHost,
  dialects,
  type DialectName,
} from '../../../src/renderers/openai/dialects.ts';
import { requestBody } from '../../../src/renderers/openai/request-body.ts';
import { RendererError, type RenderRequest } from '../../../src/renderers/renderer.ts';
import { rendererFor, request } from './renderer-under-test.ts';

const wide = { width: 16n, height: 9n };

function bodyOf(
  name: DialectName,
  model: string,
  wanted: Partial<RenderRequest> = {},
  params: Record<string, unknown> = {},
): unknown {
  const dialect = dialects[name];
  const renderer = rendererFor('http://127.0.0.1:1', { dialect: name, model });
  const plan = renderer.plan({
    ...request,
    ratio: wide,
    negativePrompts: ['a dog', 'rain'],
    ...wanted,
  });
  return JSON.parse(requestBody(plan, { dialect, model, params }));
}

const common = { prompt: request.prompt, n: 1 };

describe('the body for', () => {
  it.each<readonly [DialectName, string, object]>([
    ['generic', 'sd', { size: '1360x768', response_format: 'b64_json' }],
    ['openai', 'gpt-image-1', { size: '1536x1024', output_format: 'png' }],
    ['openai', 'gpt-image-2', { size: '1360x768', output_format: 'png' }],
    ['azure', 'gpt-image-1.5', { size: '1536x1024', output_format: 'png' }],
    ['xai', 'grok-imagine-image', { aspect_ratio: '16:9', response_format: 'b64_json' }],
    [
      'together',
      'black-forest-labs/FLUX.1-schnell',
      {
        width: 1360,
        height: 768,
        response_format: 'base64',
        output_format: 'png',
        seed: 7,
        negative_prompt: 'a dog, rain',
      },
    ],
    ['yandex', 'art://b1g/aliceai-image-art-3.0', { size: '16x9' }],
    ['localai', 'sd', { size: '1360x768', response_format: 'b64_json', seed: 7 }],
    [
      'vllm',
      'sd',
      { size: '1360x768', response_format: 'b64_json', seed: 7, negative_prompt: 'a dog, rain' },
    ],
    ['lemonade', 'sd', { size: '1360x768', response_format: 'b64_json', seed: 7 }],
    ['litellm', 'openai/gpt-image-1', { size: '1536x1024', num_retries: 0 }],
  ])('%s has these fields and no others', (name, model, fields) => {
    expect(bodyOf(name, model)).toStrictEqual({ ...common, model, ...fields });
  });

  it('a server without model names has none', () => {
    expect(bodyOf('generic', '')).not.toHaveProperty('model');
  });

  it('an operator’s own fields has them, but never for prompt, number and model', () => {
    const params = {
      ...{ quality: 'low', steps: 4, response_format: null },
      ...{ prompt: 'x', n: 9, model: 'dear', size: '64x64' },
    };
    expect(bodyOf('generic', 'sd', {}, params)).toStrictEqual({
      ...{ ...common, model: 'sd', size: '64x64', quality: 'low', steps: 4 },
    });
  });
});

describe('a plan', () => {
  it('names negative prompts that the model can’t honour, and keeps them out', () => {
    const plan = rendererFor('http://127.0.0.1:1').plan({ ...request, negativePrompts: ['a dog'] });
    expect(plan).toMatchObject({ ignored: ['negative_prompt'], negativePrompts: [] });
    expect(plan).not.toHaveProperty('seed');
  });

  it('has the seed that counts, drawn where none was given', () => {
    const renderer = rendererFor('http://127.0.0.1:1', { dialect: 'vllm' });
    expect(renderer.plan({ ...request, seed: 0n })).toMatchObject({ seed: '42' });
    expect(renderer.plan({ ...request, seed: 2n ** 32n })).toMatchObject({ seed: '4294967295' });
  });

  it.each<readonly [string, Partial<RenderRequest>, string, string]>([
    [
      'a ratio that no size is near',
      { ratio: { width: 5n, height: 1n } },
      'refused',
      'generation_options.aspect_ratio',
    ],
    ['a command', { prompt: 'a <sd_cpp_extra_args> cat' }, 'refused', 'messages'],
    ['a command among the negatives', { negativePrompts: ['EMBEDDING:x'] }, 'refused', 'messages'],
    ['another type', { mediaType: 'image/gif' }, 'refused', 'generation_options.mime_type'],
    ['another model', { modelUri: 'art://folder/dall-e-3' }, 'refused', 'model_uri'],
    ['no model', { modelUri: 'dall-e-3' }, 'refused', 'model_uri'],
    ['no text', { prompt: '' }, 'refused', 'messages'],
    ['a negative seed', { seed: -1n }, 'refused', 'generation_options.seed'],
  ])('is refused before anything is spent: %s', (_, wanted, failure, field) => {
    const renderer = rendererFor('http://127.0.0.1:1');
    try {
      renderer.plan({ ...request, ...wanted });
      throw new Error('not refused');
    } catch (error) {
      expect(error).toMatchObject({ failure, options: { field } });
    }
  });

  it('is refused for a long prompt by the model’s own limit, in the vendor’s words', () => {
    const renderer = rendererFor('http://127.0.0.1:1', {
      dialect: 'yandex',
      model: 'art://b1g/alice',
    });
    const wanted = { ...request, prompt: 'x'.repeat(501) };
    expect(() => renderer.plan(wanted)).toThrow(RendererError);
    expect(() => renderer.plan(wanted)).toThrow('Prompt positive size 501 exceeds limit (500)');
  });
});

describe('a model', () => {
  it.each([
    ['gpt-image-1', 'gpt-image-1'],
    ['black-forest-labs/FLUX.1-schnell', 'FLUX.1-schnell'],
    ['art://b1g/aliceai-image-art-3.0/latest', 'aliceai-image-art-3.0'],
    ['flux:schnell', 'flux-schnell'],
  ])('%s is named %s by callers, or as the vendor’s', (model, name) => {
    const renderer = rendererFor('http://127.0.0.1:1', { model });
    expect(renderer.models.map((card) => card.name)).toStrictEqual([name, 'yandex-art']);
    expect(renderer.plan({ ...request, modelUri: `art://f/${name}/latest` }).model).toBe(name);
  });

  it('that callers may name twice is listed once', () => {
    const renderer = rendererFor('http://127.0.0.1:1', { model: 'yandex-art' });
    expect(renderer.models).toHaveLength(1);
  });
});

describe('a backend’s addresses', () => {
  it.each([
    ['http://127.0.0.1:8000', 'http://127.0.0.1:8000/v1/images/generations'],
    ['http://127.0.0.1:8000/', 'http://127.0.0.1:8000/v1/images/generations'],
    ['http://127.0.0.1:8000/v1', 'http://127.0.0.1:8000/v1/images/generations'],
    ['http://127.0.0.1:8000/v1/', 'http://127.0.0.1:8000/v1/images/generations'],
    ['https://x/api/v3', 'https://x/api/v3/images/generations'],
    ['https://x/proxy', 'https://x/proxy/v1/images/generations'],
    ['https://g/v1beta/openai', 'https://g/v1beta/openai/images/generations'],
    ['https://r.openai.azure.com', 'https://r.openai.azure.com/openai/v1/images/generations'],
    [
      'https://r.openai.azure.com/openai/deployments/d?api-version=2025-04-01',
      'https://r.openai.azure.com/openai/deployments/d/images/generations?api-version=2025-04-01',
    ],
  ])('%s → %s', (base, generations) => {
    expect(addressesFromBase(new URL(base)).generations.href).toBe(generations);
  });

  it.each([
    ['api.openai.com', 'openai'],
    ['r.openai.azure.com', 'azure'],
    ['r.services.ai.azure.com', 'azure'],
    ['api.x.ai', 'xai'],
    ['api.together.xyz', 'together'],
    ['ai.api.cloud.yandex.net', 'yandex'],
    ['api.openai.com.evil.example', undefined],
    ['127.0.0.1', undefined],
  ])('%s is %s', (host, name) => expect(dialectOfHost(host)?.name).toBe(name));

  it.each([
    ['bearer', { authorization: 'Bearer k' }],
    ['api-key', { authorization: 'Api-Key k' }],
    ['basic', { authorization: `Basic ${btoa('k')}` }],
    ['header:X-Key', { 'x-key': 'k' }],
  ] as const)('a key is sent as %s', (form, headers) => {
    expect(authHeaders('k', form)).toStrictEqual(headers);
    expect(authHeaders('Bearer k', form)).toStrictEqual(headers);
    expect(authHeaders(undefined, form)).toStrictEqual({});
  });
});
