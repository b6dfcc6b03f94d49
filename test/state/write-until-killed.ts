import { openEmbeddedStore } from '../../src/state/embedded-store.ts';
import { recordWrite } from './record-write.ts';

// Prints the number of each durable write once it is done, until the process is killed.
const store = await openEmbeddedStore({ directory: process.env['STATE_DIRECTORY'] ?? '' });
for (let number = 1; ; number += 1) {
  const write = { ...recordWrite, data: `data ${number}`, keepMs: 600_000, durable: true };
  await store.swapRecord(`key ${number}`, undefined, write);
  process.stdout.write(`${number}\n`);
}
