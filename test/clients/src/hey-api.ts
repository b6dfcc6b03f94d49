import assert from 'node:assert/strict';
import { client } from '../generated/hey-api/client.gen.js';
import { createImage, getOperation, getOperationImage } from '../generated/hey-api/index.js';
import { assertImage, origin } from './expectations.js';

client.setConfig({ baseUrl: origin });

const created = await createImage({ body: { prompt: 'a red cat', aspectRatio: '16:9' } });
assert.ok(created.data);
const path = { id: created.data.id };

let operation = created.data;
while (operation.status === 'running') {
  const { data } = await getOperation({ path, query: { wait: 10 } });
  assert.ok(data);
  operation = data;
}
assert.ok(operation.status === 'succeeded');
assert.match(operation.response.seed, /^\d+$/);

const image = await getOperationImage({ path });
assert.ok(image.data instanceof Blob);
await assertImage(image.data);

const refused = await createImage({ body: { prompt: 'x'.repeat(501) } });
assert.ok(refused.error);
assert.equal(refused.error.code, 'prompt_too_long');
