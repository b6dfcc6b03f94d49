import type { RecordWrite } from '../../src/state/state-store.ts';

/** The record of a create that is under way; each test states what differs. */
export const recordWrite: RecordWrite = {
  state: 'dispatched',
  fence: 'take',
  fingerprint: 'f',
  data: '',
  leaseMs: 60_000,
  keepMs: 60_000,
  durable: false,
};
