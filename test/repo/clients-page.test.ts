import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/** Helpers of the programs, and the proof of the emulator: nothing for a reader to copy. */
const notShown = new Set(['expectations.ts', 'orval-fetch.ts', 'vendor-sdk.ts']);

test('docs/clients.md shows the programs that are run, as they are', () => {
  const page = readFileSync('docs/clients.md', 'utf8');
  const shown = readdirSync('test/clients/src').filter((name) => !notShown.has(name));
  expect(shown.length).toBeGreaterThanOrEqual(6);
  for (const name of shown) {
    const code = readFileSync(join('test/clients/src', name), 'utf8').trimEnd();
    expect(page, name).toContain(`\`\`\`ts\n${code}\n\`\`\`\n`);
  }
});
