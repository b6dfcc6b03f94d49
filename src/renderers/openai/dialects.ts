import type { ModelSizes } from '../renderer.ts';
import type { PixelSize } from '../size.ts';
import type { UrlRule } from './image-url.ts';
import { ratioNameOf, sizesOfGptImage, sizesOfRatios, xaiSizes } from './dialect-sizes.ts';

export type DialectName =
  | 'generic'
  | 'openai'
  | 'azure'
  | 'xai'
  | 'together'
  | 'yandex'
  | 'localai'
  | 'vllm'
  | 'lemonade'
  | 'litellm';

/** How the key is sent: in Authorization under a scheme, or in a header of that name. */
export type AuthForm = 'bearer' | 'api-key' | 'basic' | `header:${string}`;

/** What servers of OpenAI's shape do differently from each other. */
export interface Dialect {
  readonly name: DialectName;
  /** Host names that are surely it. */
  readonly host?: RegExp;
  /** `owned_by` of the first model that such a server lists. */
  readonly ownedBy?: RegExp;
  /** A provider's: it has the public's addresses, and several images at once cost it nothing. */
  readonly isCloud: boolean;
  readonly auth: AuthForm;
  /** Where BACKEND_MODEL names none, and the list of models holds others than image models. */
  readonly defaultModel?: string;
  /** Whether a model must be named by BACKEND_MODEL. */
  readonly needsModel?: boolean;
  sizes(model: string): ModelSizes;
  /** The fields of the body that say the size. */
  sizeFields(size: PixelSize): Readonly<Record<string, unknown>>;
  /** Fields that each body has, such as the form in which the image is wanted. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Whether `output_format` is known. */
  readonly hasOutputFormat?: boolean;
  /** Greatest seed; absent where `seed` is not known, or has no effect. */
  readonly seedMax?: bigint;
  /** Whether `negative_prompt` is known. */
  readonly hasNegativePrompt?: boolean;
  /** Code points. */
  readonly promptCharactersMax: number;
  /** Where images may be that it returns by their address. */
  readonly urlRule: UrlRule;
  /** Whether it may obey commands inside a prompt. */
  readonly mayObeyPrompts: boolean;
  /** Whether a 429 may come after the work was passed on: a proxy that repeats by itself. */
  readonly is429Unknown?: boolean;
}

const wholeMegapixel: ModelSizes = {
  ...{ kind: 'area', areaPixels: 1_024 * 1_024, sidePixels: 16, ratioMax: 4 },
};
const widthByHeight = ({ width, height }: PixelSize) => ({ size: `${width}x${height}` });
const seed32 = 2n ** 32n - 1n;
const seed31 = 2n ** 31n - 1n;
const base64 = { response_format: 'b64_json' };

const ownServer: Omit<Dialect, 'name'> = {
  ...{ isCloud: false, auth: 'bearer', sizes: () => wholeMegapixel, sizeFields: widthByHeight },
  ...{ fields: base64, promptCharactersMax: 10_000, mayObeyPrompts: true, urlRule: 'own_origin' },
};

const gptImage: Omit<Dialect, 'name' | 'auth'> = {
  ...{ isCloud: true, sizes: sizesOfGptImage, sizeFields: widthByHeight, fields: {} },
  ...{
    hasOutputFormat: true,
    promptCharactersMax: 32_000,
    mayObeyPrompts: false,
    urlRule: 'public',
  },
};

const yandexSizes = sizesOfRatios();

/** Every dialect. What was tried on which server stands in docs/backends.md. */
export const dialects: Readonly<Record<DialectName, Dialect>> = {
  // No seed: stable-diffusion.cpp's server ignores it, and uses the same one for everybody.
  generic: { name: 'generic', ...ownServer },
  openai: {
    name: 'openai',
    host: /^api\.openai\.com$/,
    auth: 'bearer',
    defaultModel: 'gpt-image-1',
    ...gptImage,
  },
  azure: {
    name: 'azure',
    host: /\.(?:openai\.azure\.com|services\.ai\.azure\.com|cognitiveservices\.azure\.com)$/,
    auth: 'header:api-key',
    needsModel: true,
    ...gptImage,
  },
  xai: {
    name: 'xai',
    host: /^api\.x\.ai$/,
    isCloud: true,
    auth: 'bearer',
    defaultModel: 'grok-imagine-image',
    sizes: () => ({ kind: 'list', sizes: xaiSizes }),
    sizeFields: (size) => ({ aspect_ratio: ratioNameOf(size, xaiSizes, ':') }),
    fields: base64,
    promptCharactersMax: 8_000,
    mayObeyPrompts: false,
    urlRule: 'public',
  },
  together: {
    name: 'together',
    host: /^api\.together\.(?:xyz|ai)$/,
    isCloud: true,
    auth: 'bearer',
    needsModel: true,
    sizes: () => wholeMegapixel,
    sizeFields: ({ width, height }) => ({ width, height }),
    fields: { response_format: 'base64' },
    hasOutputFormat: true,
    seedMax: seed31,
    hasNegativePrompt: true,
    promptCharactersMax: 10_000,
    mayObeyPrompts: false,
    urlRule: 'public',
  },
  yandex: {
    name: 'yandex',
    host: /^ai\.api\.cloud\.yandex\.net$/,
    isCloud: true,
    auth: 'api-key',
    needsModel: true,
    sizes: () => ({ kind: 'list', sizes: yandexSizes }),
    sizeFields: (size) => ({ size: ratioNameOf(size, yandexSizes, 'x') }),
    fields: {},
    promptCharactersMax: 500,
    mayObeyPrompts: false,
    urlRule: 'public',
  },
  localai: { name: 'localai', ...ownServer, seedMax: seed31 },
  vllm: {
    name: 'vllm',
    ownedBy: /^vllm/i,
    ...ownServer,
    seedMax: seed32,
    hasNegativePrompt: true,
  },
  lemonade: { name: 'lemonade', ownedBy: /^lemonade/i, ...ownServer, seedMax: seed31 },
  litellm: {
    name: 'litellm',
    ...ownServer,
    sizes: sizesOfGptImage,
    // OpenAI's own models refuse response_format, and it passes every field on but its own:
    // by default it repeats a failed request twice, and its client each of them twice more.
    fields: { num_retries: 0 },
    is429Unknown: true,
    urlRule: 'public',
  },
};

/** The dialect of a host that is known by name. */
export function dialectOfHost(host: string): Dialect | undefined {
  return Object.values(dialects).find((dialect) => dialect.host?.test(host.toLowerCase()));
}
