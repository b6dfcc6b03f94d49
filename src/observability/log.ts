import { destination, pino, type Logger } from 'pino';

/** The process's log: JSON lines. */
export type Log = Logger;

export interface OpenedLog {
  readonly log: Log;
  /** Writes out what is still in memory, as far as somebody reads it. */
  readonly flush: () => Promise<void>;
}

/** Lines are written together: a write of its own costs as much as making the line. Less than sonic-boom's 16 KiB a write. */
const minLength = 16_000;
/** How long a line may wait for others. */
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
        // Not flushSync: it tries forever when nobody reads the log any more.
        output.flush(() => resolve());
        setTimeout(resolve, flushTimeoutMs).unref();
      }),
  };
}

function isoTime(): string {
  return `,"time":"${new Date().toISOString()}"`;
}
