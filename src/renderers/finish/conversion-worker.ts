import { writeFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { convert } from './convert.ts';

/** The process that converts one image: bytes on standard input, a line of JSON and bytes on standard output. */
const [mediaType = '', pixelsMax = ''] = process.argv.slice(2);
preferAsVictim();
const { head, bytes } = await convert(await buffer(process.stdin), {
  mediaType,
  pixelsMax: Number(pixelsMax),
});
process.stdout.write(`${JSON.stringify(head)}\n`);
process.stdout.write(bytes);

/** Where memory runs out, the system ends this process and not the service. */
function preferAsVictim(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // Only Linux has it.
  }
}
