import { dialects, type DialectName } from '../../../src/renderers/openai/dialects.ts';
import {
  openOpenAiRenderer,
  type OpenAiRenderer,
  type OpenAiRendererOptions,
} from '../../../src/renderers/openai/openai-renderer.ts';
import {
  RendererError,
  type Attempt,
  type RenderedImage,
  type RenderRequest,
} from '../../../src/renderers/renderer.ts';

/** A request for an image that every model can make. */
export const request: RenderRequest = {
  modelUri: 'art://folder/yandex-art/latest',
  prompt: 'a red cat on a windowsill',
  negativePrompts: [],
  seed: 7n,
  ratio: undefined,
  mediaType: 'image/png',
};

/** An attempt that keeps what is submitted. */
export function attemptOf(signal = new AbortController().signal): Attempt & {
  readonly references: string[];
} {
  const references: string[] = [];
  return {
    ...{ operationId: 'fbv0123456789abcdefg', number: 1, signal, references },
    async submitted(reference) {
      references.push(reference);
    },
  };
}

/** Opens the renderer in front of a backend, with a model named so that nothing is asked before the POST. */
export function rendererFor(
  url: string,
  options: Partial<Omit<OpenAiRendererOptions, 'dialect' | 'url'>> & {
    readonly dialect?: DialectName;
  } = {},
): OpenAiRenderer {
  const { dialect, ...others } = options;
  return openOpenAiRenderer({
    url: new URL(url),
    dialect: dialects[dialect ?? 'generic'],
    ...{ spend: 'once', model: 'sd-tiny', auth: undefined, headers: {}, params: {} },
    ...{ readKey: async () => undefined, concurrency: undefined, timeoutMs: 60_000 },
    ...{ imageBytesMax: 1_048_576, promptSyntax: 'plain', ca: undefined },
    ...{ drawSeed: () => 42n, nowMs: () => Date.now() },
    ...others,
  });
}

/** The image or the failure of one render. */
export async function outcomeOf(
  renderer: OpenAiRenderer,
  attempt = attemptOf(),
  wanted = request,
): Promise<RenderedImage | RendererError> {
  return renderer.render(renderer.plan(wanted), attempt).catch((error: unknown) => {
    if (error instanceof RendererError) return error;
    throw error;
  });
}
