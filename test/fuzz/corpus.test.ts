import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OpenTarget } from './fuzz-target.ts';
import { fuzzTargets } from './targets.ts';

const corpus = fileURLToPath(new URL('corpus/', import.meta.url));

describe.each(fuzzTargets)('the kept inputs of $name', ({ name, open }) => {
  const folder = `${corpus}${name}/`;
  const facts = existsSync(folder) ? readdirSync(folder).toSorted() : [];
  let target: OpenTarget;
  beforeAll(async () => {
    target = await open();
  });
  afterAll(() => target.close());

  it.each(facts)('hold: %s', async (fact) => {
    const input: unknown = JSON.parse(readFileSync(`${folder}${fact}`, 'utf8'));
    await expect(target.check(input) ?? Promise.resolve()).resolves.toBeUndefined();
  });
});
