import assert from 'node:assert/strict';
import { assertImage, origin } from './expectations.js';

// The image in one request: it waits for up to a minute.
const image = await fetch(`${origin}/v1/images`, {
  method: 'POST',
  headers: {
    'Content-Type': 'application/json',
    Accept: 'image/*',
    'Idempotency-Key': crypto.randomUUID(),
  },
  body: JSON.stringify({ prompt: 'a red cat' }),
});
assert.equal(image.status, 200);
await assertImage(await image.blob());

// Or the operation now, and events until it is done.
const created = await fetch(`${origin}/v1/images`, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({ prompt: 'a red cat' }),
});
const { urls } = (await created.json()) as { urls: { events: string; image: string } };
const events = await (await fetch(urls.events)).text();
assert.match(events, /event: succeeded/);
await assertImage(await (await fetch(urls.image)).blob());
