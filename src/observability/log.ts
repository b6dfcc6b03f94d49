import { destination, pino, type Logger } from 'pino';

/** The process's log: JSON lines. */
export type Log = Logger;

export interface OpenedLog {
  readonly log: Log;
  /** Writes out what is still in memory. */
  readonly flush: () => void;
}

/** Lines are written together: a write of its own costs as much as making the line. Less than sonic-boom's 16 KiB a write. */
const minLength = 16_000;
/** How long a line may wait for others. */
const flushMs = 100;

/**
 * Opens the log on standard output. Lines are written asynchronously, so that a
 * slow reader of the log does not hold up requests.
 */
export function openLog(options: { readonly level: string }): OpenedLog {
  const output = destination({ fd: 1, sync: false, minLength, periodicFlush: flushMs });
  const log = pino({ level: options.level, base: null, timestamp: isoTime }, output);
  return {
    log,
    flush: () => {
      try {
        output.flushSync();
      } catch {
        // Nothing was written yet, or nobody reads any more: there is nothing left to save.
      }
    },
  };
}

function isoTime(): string {
  return `,"time":"${new Date().toISOString()}"`;
}
