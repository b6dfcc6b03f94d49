import assert from 'node:assert/strict';
import createClient from 'openapi-fetch';
import type { paths } from '../generated/openapi-typescript.js';
import { assertImage, origin } from './expectations.js';

const client = createClient<paths>({ baseUrl: origin });

const created = await client.POST('/v1/images', {
  body: { prompt: 'a red cat', aspectRatio: '16:9' },
});
assert.ok(created.data);
const id: string = created.data.id;

let operation = created.data;
while (operation.status === 'running') {
  const path = { id };
  const { data } = await client.GET('/operations/{id}', { params: { path, query: { wait: 10 } } });
  assert.ok(data);
  operation = data;
}
assert.ok(operation.status === 'succeeded');
// Narrowed by its status: the type knows that there is an image.
assert.match(operation.response.seed, /^\d+$/);

const image = await client.GET('/operations/{id}/image', {
  params: { path: { id } },
  parseAs: 'blob',
});
assert.ok(image.data);
await assertImage(image.data as unknown as Blob);

const refused = await client.POST('/v1/images', { body: { prompt: 'x'.repeat(501) } });
assert.equal(refused.error?.code, 'prompt_too_long');
assert.equal(refused.error.outcome, 'not_started');
