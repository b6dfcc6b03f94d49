import type { Mutation } from './mutation.ts';

const cut = 'test/image/metadata/without-metadata.test.ts';
const finish = 'test/process/finish-image.test.ts';

/** Mistakes about what an image goes through after it is kept, and about what an operator sees and sets. */
export const finishMutations: readonly Mutation[] = [
  {
    name: 'metadata is cut out of a signed PNG',
    file: 'src/image/metadata/png-metadata.ts',
    right: `return { bytes: hasC2pa ? bytes : kept.join(), hasC2pa };`,
    wrong: `return { bytes: kept.join(), hasC2pa };`,
    noticedBy: cut,
  },
  {
    name: 'text chunks of a PNG are kept',
    file: 'src/image/metadata/png-metadata.ts',
    right: `(isCritical(bytes[at + 4]) || keptTypes.has(type))`,
    wrong: `(isCritical(bytes[at + 4]) || isCritical(bytes[at + 5]) || keptTypes.has(type))`,
    noticedBy: cut,
  },
  {
    name: 'the orientation goes with the EXIF of a JPEG',
    file: 'src/image/metadata/jpeg-metadata.ts',
    right: `if (place !== undefined) kept.add(place);`,
    wrong: `if (code === marker.exif) at += 0;`,
    noticedBy: cut,
  },
  {
    name: 'only the first scan of a JPEG is looked through',
    file: 'src/image/metadata/jpeg-metadata.ts',
    right: `    if (!isData) return at;`,
    wrong: `    if (!isData && code === 0xd9) return at;`,
    noticedBy: cut,
  },
  {
    name: 'frames of an animation keep what they hold',
    file: 'src/image/metadata/webp-metadata.ts',
    right: `if (chunks.every(({ type }) => keptTypes.has(type))) return 'unchanged';`,
    wrong: `if (chunks.length > 0) return 'unchanged';`,
    noticedBy: cut,
  },
  {
    name: 'every loader meets the bytes of a backend',
    file: 'src/renderers/finish/convert.ts',
    right: `sharp.block({ operation: ['VipsForeignLoad'] });`,
    wrong: `sharp.block({ operation: [] });`,
    noticedBy: finish,
  },
  {
    name: 'a conversion gets the secrets of the environment',
    file: 'src/renderers/finish/byte-process.ts',
    right: `{ env: {}, stdio:`,
    wrong: `{ stdio:`,
    noticedBy: 'test/process/byte-process.test.ts',
  },
  {
    name: 'the loss of a signature is not told',
    file: 'src/renderers/finish/finish-image.ts',
    right: `read?.hasC2pa === true ?`,
    wrong: `read === undefined ?`,
    noticedBy: finish,
  },
  {
    name: 'a pause has no effect',
    file: 'src/service/lmdb-operator-rows.ts',
    right: `return paused.includes(backend) || paused.includes(everyBackend);`,
    wrong: `return paused.includes(backend) && paused.includes(everyBackend);`,
    noticedBy: 'test/service/pause.test.ts',
  },
  {
    name: 'an image that got lost is not counted',
    file: 'src/service/lmdb-operator-rows.ts',
    right: `if (cause === undefined || before?.state === 'done') return;`,
    wrong: `if (cause === undefined || before?.state !== 'done') return;`,
    noticedBy: 'test/service/lmdb-operation-store.test.ts',
  },
];
