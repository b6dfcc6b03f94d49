import assert from 'node:assert/strict';
import { createImage, getOperation, getOperationImage } from '../generated/orval.js';
import { assertImage } from './expectations.js';

const created = await createImage({ prompt: 'a red cat', aspectRatio: '16:9' });
assert.ok(created.status === 202);
const { id } = created.data;

let operation = created.data;
while (operation.status === 'running') {
  const read = await getOperation(id, { wait: 10 });
  assert.ok(read.status === 200);
  operation = read.data;
}
// The 3.0 document has one flat operation: what belongs to a status is optional.
assert.equal(operation.status, 'succeeded');
assert.match(operation.response?.seed ?? '', /^\d+$/);

const image = await getOperationImage(id);
assert.ok(image.status === 200);
await assertImage(image.data as Blob);

const refused = await createImage({ prompt: 'x'.repeat(501) });
assert.ok(refused.status === 400);
assert.equal(refused.data.code, 'prompt_too_long');
