import { openEmbeddedStore } from '../../src/state/embedded-store.ts';

// Tells of each durable write after it was promised, until somebody ends the process.
const store = await openEmbeddedStore({ directory: process.env['STATE_DIRECTORY'] ?? '' });
for (let number = 1; ; number += 1) {
  await store.swapRecord(`key ${number}`, undefined, {
    state: 'dispatched',
    fence: 'take',
    fingerprint: 'f',
    data: `data ${number}`,
    leaseMs: 60_000,
    keepMs: 600_000,
    durable: true,
  });
  process.stdout.write(`${number}\n`);
}
