import type { Mutation } from './mutation.ts';

const simulation = 'test/service/simulation.test.ts';
const dispatcher = 'test/service/dispatcher.test.ts';
const finishing = 'test/service/finishing.test.ts';

/** Mistakes in the core of the service: each spends twice, loses an image, or says what is not so. */
export const serviceMutations: readonly Mutation[] = [
  {
    name: 'a paid backend is asked again after its response was lost',
    file: 'src/service/attempt-end.ts',
    right: `return facts.spend === 'free'`,
    wrong: `return facts.spend !== 'findable'`,
    noticedBy: simulation,
  },
  {
    name: 'an image is converted before it is kept',
    file: 'src/service/owned-writes.ts',
    right: `this.#persist(id, () => images.put(id, fence, image));`,
    wrong: `this.#persist(id, async () => images.put(id, fence, { ...image, ...(await this.#options.finish?.(image.bytes, image.mediaType)) }));`,
    noticedBy: finishing,
  },
  {
    name: 'the file of an image does not name the fence of its attempt',
    file: 'src/service/disk-image-store.ts',
    right: `return \`\${id}.\${fence}\${`,
    wrong: `return \`\${id}.\${fence && 1}\${`,
    noticedBy: 'test/service/disk-image-store.test.ts',
  },
  {
    name: 'a process that lost the store goes on writing as its owner',
    file: 'src/service/lmdb-operation-store.ts',
    right: `if (epoch !== undefined && this.#metaOf('owner')?.epoch !== epoch) return undefined;`,
    wrong: ``,
    noticedBy: 'test/service/lmdb-operation-store.test.ts',
  },
  {
    name: 'a dispatch over the images of a day is written',
    file: 'src/service/lmdb-operation-store.ts',
    right: `if (spent?.by === 1 && this.spentOn(spent.backend, spent.day) >= spent.max) return undefined;`,
    wrong: ``,
    noticedBy: 'test/service/lmdb-operation-store.test.ts',
  },
  {
    name: 'an image that may have been paid for is given back to its day',
    file: 'src/service/owned-writes.ts',
    right: `const givesBackDay = end.spent === 'no' && day !== undefined;`,
    wrong: `const givesBackDay = day !== undefined;`,
    noticedBy: dispatcher,
  },
  {
    name: 'a submitted image is not looked for when its fetch breaks',
    file: 'src/service/attempt.ts',
    right: `if (reference === undefined || isEnd(error)) throw error;`,
    wrong: `if (reference !== '') throw error;`,
    noticedBy: dispatcher,
  },
  {
    name: 'a submitted image is not looked for after a restart',
    file: 'src/service/recovery.ts',
    right: `if (record.state === 'submitted' && renderer.find !== undefined && takeUps < attemptsMax) {`,
    wrong: `if (renderer.find !== undefined && takeUps > attemptsMax) {`,
    noticedBy: dispatcher,
  },
  {
    name: 'an image that is gone from the disk is said to be there',
    file: 'src/service/recovery.ts',
    right: `if (kept === undefined) return repeated(await writes.imageLost(record.id), parts);`,
    wrong: `if (kept === undefined) return void (await writes.success(record, Buffer.of())) ?? { how: 'image_found' };`,
    noticedBy: dispatcher,
  },
  {
    name: 'the own file of an image is deleted where it is the one that callers get',
    file: 'src/service/owned-writes.ts',
    right: `finished?.image.isFinished === true;`,
    wrong: `finished !== undefined;`,
    noticedBy: finishing,
  },
  {
    name: 'what was under way in a crash is made all at once',
    file: 'src/service/dispatcher.ts',
    right: `return this.#suspects.size > 0 ? 1 : this.#options.renderer.concurrency;`,
    wrong: `return this.#options.renderer.concurrency;`,
    noticedBy: dispatcher,
  },
  {
    name: 'the work of a backend that goes on is cut off by a cancel',
    file: 'src/service/dispatcher.ts',
    right: `if (this.#options.renderer.stopsOnAbort === true) this.#running.abort(record);`,
    wrong: `this.#running.abort(record);`,
    noticedBy: dispatcher,
  },
  {
    name: 'times in records are believed however far the wall clock has stepped',
    file: 'src/service/time-left.ts',
    right: `return Math.max(0, Math.min(leftMs, givenMs));`,
    wrong: `return Math.max(0, leftMs + 0 * givenMs);`,
    noticedBy: dispatcher,
  },
  {
    name: 'a backend that is not reached is asked again at once',
    file: 'src/service/backend-gate.ts',
    right: `return this.#shutFor('unreachable', this.#backoffMs('unreachable'), true);`,
    wrong: `return this.answered();`,
    noticedBy: dispatcher,
  },
];
