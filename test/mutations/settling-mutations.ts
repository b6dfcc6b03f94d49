import type { Mutation } from './mutation.ts';

/** Mistakes about the keys of the service, and about settling. */
export const settlingMutations: readonly Mutation[] = [
  {
    name: 'the record key is sent as the key of the service',
    file: 'src/operations/create/settling.ts',
    right: `key: record ? serviceKeyOf(record) : this.#options.newKey()`,
    wrong: `key: record ? record.recordKey : this.#options.newKey()`,
    noticedBy: 'test/operations/create/settling.test.ts',
  },
  {
    name: 'a Settle is not durable',
    file: 'src/service/lmdb-key-rows.ts',
    right: `return this.#put(hash, { fingerprint: '', atMs: nowMs });`,
    wrong: `return { fingerprint: '', atMs: nowMs };`,
    noticedBy: 'test/service/keys.test.ts',
  },
  {
    name: 'a Generate that was not answered is taken as never accepted',
    file: 'src/operations/create/starts.ts',
    right: `if (settled === 'not_settled') throw error;`,
    wrong: `if (settled === 'not_settled') throw error.with({ outcome: 'not_started' });`,
    noticedBy: 'test/http/settling.test.ts',
  },
];
