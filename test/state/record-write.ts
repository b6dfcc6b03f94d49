import type { RecordWrite } from '../../src/state/state-store.ts';

/** A record of a create that is under way; tests say what is different. */
export const recordWrite: RecordWrite = {
  state: 'dispatched',
  fence: 'take',
  fingerprint: 'f',
  data: '',
  leaseMs: 60_000,
  keepMs: 60_000,
  durable: false,
};
