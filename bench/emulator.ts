import { startEmulator } from '../src/emulator/emulator.ts';

// The emulator in a process of its own, without its quotas: what keeps operations in memory only.
const { address } = await startEmulator({
  latencyMs: 3_600_000,
  generationsPerMinuteMax: 1e9,
  generationsPerDayMax: 1e9,
});
process.send?.({ address });
