import { openEmbeddedStore } from '../../src/state/embedded-store.ts';
import { recordWrite } from './record-write.ts';

// Tells of each durable write after it was promised, until somebody ends the process.
const store = await openEmbeddedStore({ directory: process.env['STATE_DIRECTORY'] ?? '' });
for (let number = 1; ; number += 1) {
  const write = { ...recordWrite, data: `data ${number}`, keepMs: 600_000, durable: true };
  await store.swapRecord(`key ${number}`, undefined, write);
  process.stdout.write(`${number}\n`);
}
