import { pino, type Logger } from 'pino';
import { LogOutput } from './log-output.ts';

/** The log of the process: JSON lines. */
export type Log = Logger;

export interface OpenedLog {
  readonly log: Log;
  /** Writes out the lines that are still in memory, unless that takes too long. */
  readonly flush: () => Promise<void>;
  /** How many lines could not be written since the start. */
  readonly lostLines: () => number;
  /** Whether a write does not return, so that `process.exit` would not either. */
  readonly isBlocked: () => boolean;
}

/**
 * Opens the log on standard output. Lines are written asynchronously, so that a
 * slow reader of the log does not hold up requests. Lines that can't be written
 * are lost and counted; one line on standard error says so, and one in the log
 * when it can be written again.
 */
export function openLog(options: { readonly level: string }): OpenedLog {
  const output = new LogOutput({
    fd: 1,
    onLoss: ({ code }) => writeToStandardError(`log lines are being lost: ${code}\n`),
    onRecovery: ({ lines, code }) => log.warn({ lines, code }, 'log lines lost'),
  });
  const log = pino({ level: options.level, base: null, timestamp: isoTime }, output);
  return {
    log,
    flush: () => output.flush(),
    lostLines: () => output.lostLines,
    isBlocked: () => output.isBlocked,
  };
}

let isGuarded = false;

/** Writes a text for a person who watches. A full disk or a closed terminal must not end the process. */
export function writeToStandardError(text: string): void {
  if (!isGuarded) process.stderr.on('error', () => undefined);
  isGuarded = true;
  process.stderr.write(text);
}

function isoTime(): string {
  return `,"time":"${new Date().toISOString()}"`;
}
