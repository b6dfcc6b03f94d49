import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { assertImage, origin } from './expectations.js';

const client = new OpenAI({ baseURL: `${origin}/v1`, apiKey: 'igk_your-key' });

const { data } = await client.images.generate({
  model: 'yandex-art',
  prompt: 'a red cat',
  size: '1024x1024',
});
await assertImage(new Blob([Buffer.from(data?.[0]?.b64_json ?? '', 'base64')]));

await assert.rejects(client.images.generate({ prompt: 'x'.repeat(501) }), OpenAI.BadRequestError);
