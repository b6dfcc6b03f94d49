import { destination, pino, type Logger } from 'pino';

/** The log of the process: JSON lines. */
export type Log = Logger;

export interface OpenedLog {
  readonly log: Log;
  /** Writes out the lines that are still in memory, unless no one reads them. */
  readonly flush: () => Promise<void>;
}

/** Bytes of lines that are written together: a write costs as much as making a line. Below the 16 KiB of one write of sonic-boom. */
const minLength = 16_000;
/** Longest time that a line waits for others. */
const flushMs = 100;
const flushTimeoutMs = 500;

/**
 * Opens the log on standard output. Lines are written asynchronously, so that a
 * slow reader of the log does not hold up requests.
 */
export function openLog(options: { readonly level: string }): OpenedLog {
  const output = destination({ fd: 1, sync: false, minLength, periodicFlush: flushMs });
  const log = pino({ level: options.level, base: null, timestamp: isoTime }, output);
  return {
    log,
    flush: () =>
      new Promise((resolve) => {
        // Not flushSync: it retries forever when no one reads the log.
        output.flush(() => resolve());
        setTimeout(resolve, flushTimeoutMs).unref();
      }),
  };
}

function isoTime(): string {
  return `,"time":"${new Date().toISOString()}"`;
}
