import assert from 'node:assert/strict';

/** Where the gateway listens. */
export const origin = process.env['GATEWAY_ORIGIN'] ?? 'http://127.0.0.1:8080';

/** A JPEG of more than a few bytes. */
export async function assertImage(blob: Blob): Promise<void> {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  assert.equal(Buffer.from(bytes.subarray(0, 3)).toString('hex'), 'ffd8ff');
  assert.ok(bytes.length > 10_000);
}
