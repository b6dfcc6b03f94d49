import { expect, it } from 'vitest';
import { openOperationIds } from '../../src/operations/operation-id.ts';
import { Chance } from '../simulation/chance.ts';
import { recordFigure } from '../support/figure.ts';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const tenants = ['k:shop', 'k:blog', 'k:shop ', '', 'j:shop'];
/** What the promise names takes ten seconds; a shorter run shows no figure of it. */
const promisedCount = 1_000_000;
const count = Number(process.env['MUTATED_IDS'] ?? 100_000);

/** A text that can be made of an id, or of two. */
function mutated(id: string, other: string, chance: Chance): string {
  const at = chance.whole(3, id.length - 1);
  const character = chance.pick([...alphabet]);
  switch (chance.whole(0, 5)) {
    case 0:
      return id.slice(0, at) + character + id.slice(at + 1);
    case 1:
      return id.slice(0, at) + id.slice(at + 1);
    case 2:
      return id.slice(0, at) + character + id.slice(at);
    case 3:
      return id.slice(0, at) + other.slice(at);
    case 4: {
      const bytes = Buffer.from(id.slice(3), 'base64url');
      const index = chance.whole(0, bytes.length - 1);
      bytes[index] = (bytes[index] ?? 0) ^ (1 << chance.whole(0, 7));
      return `op_${bytes.toString('base64url')}`;
    }
    default:
      return `${id}${character}`;
  }
}

it(`none of ${count} mutated ids opens, for its own tenant or another`, () => {
  const chance = new Chance(1);
  const ids = openOperationIds({ current: Buffer.alloc(32, 1), previous: Buffer.alloc(32, 2) });
  const sealed = Array.from({ length: 64 }, (_, index) =>
    ids.seal(
      {
        upstreamId: `fbveu1sntj0a1b2c3d${index}`,
        seed: BigInt(index),
        acceptedAtMs: 1_800_000_000_000,
        form: 'native',
      },
      tenants[index % tenants.length] ?? '',
    ),
  );
  const valid = new Set(sealed);
  const opened: string[] = [];
  for (let turn = 0; turn < count; turn += 1) {
    const index = chance.whole(0, sealed.length - 1);
    const own = tenants[index % tenants.length] ?? '';
    const text = mutated(sealed[index] ?? '', chance.pick(sealed), chance);
    const tenant = chance.often(0.5) ? own : chance.pick(tenants);
    if (!valid.has(text) && ids.open(text, tenant) !== undefined) opened.push(text);
    // Whole, and for another caller.
    if (tenant !== own && ids.open(sealed[index] ?? '', tenant) !== undefined) opened.push(text);
  }
  if (count >= promisedCount) {
    recordFigure({
      promise: 'P5',
      part: 'mutated-ids',
      says: '… nor does an id that was made from others',
      goal: '1,000,000 mutated ids, 0 cross reads',
      seen: `${count.toLocaleString('en')} ids mutated in 6 ways or tried whole by another of ${tenants.length} tenants: ${opened.length} opened`,
      isMet: opened.length === 0,
      by: `MUTATED_IDS=${promisedCount} npx vitest run test/operations/mutated-ids.test.ts`,
    });
  }
  expect(opened).toEqual([]);
}, 120_000);
