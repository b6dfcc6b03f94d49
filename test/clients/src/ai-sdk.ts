import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateImage } from 'ai';
import { assertImage, origin } from './expectations.js';

const gateway = createOpenAICompatible({
  name: 'gateway',
  baseURL: `${origin}/v1`,
  apiKey: 'igk_your-key',
});

const { image } = await generateImage({
  model: gateway.imageModel('yandex-art'),
  prompt: 'a red cat',
  size: '1024x1024',
  providerOptions: { gateway: { negative_prompt: 'text, watermark' } },
});
await assertImage(new Blob([image.uint8Array as Uint8Array<ArrayBuffer>]));
