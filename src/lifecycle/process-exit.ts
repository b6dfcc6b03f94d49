import { constants } from 'node:os';
import type { Log } from '../observability/log.ts';

/** Why a process ends. */
export type EndCause = { readonly signal: NodeJS.Signals } | { readonly error: unknown };

export interface ProcessEndOptions {
  /** Closes everything; called again, it hurries. Resolves with whether it was done in time. */
  readonly close: (cause: EndCause) => Promise<boolean>;
  readonly log: Log;
  readonly flush: () => Promise<void>;
  /** When the process ends whatever is left, after a cause. */
  readonly limitMs: (cause: EndCause) => number;
}

/**
 * Signals that ask for an end. Others keep what the system does: after a real
 * SIGSEGV or SIGBUS no listener may run, and SIGQUIT means at once.
 */
const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
/** npm passes the SIGINT of a terminal on to a process that has it already. */
const echoMs = 250;

/**
 * Ends the process on a signal (code 0), or after an error that nobody caught
 * (code 1), once everything is closed. A second signal ends it at once.
 */
export function endProcessOnSignals(options: ProcessEndOptions): void {
  const { close, log, flush, limitMs } = options;
  let exitCode = 0;
  let first: { readonly signal: NodeJS.Signals; readonly atMs: number } | undefined;

  const end = async (cause: EndCause): Promise<void> => {
    setTimeout(() => process.exit(1), limitMs(cause));
    const isDone = await close(cause).catch(() => false);
    if (!isDone) exitCode = 1;
    log.info('stopped');
    await flush();
    process.exit(exitCode);
  };

  for (const signal of signals) {
    process.on(signal, () => {
      const atMs = performance.now();
      if (first !== undefined) {
        const isEcho = signal === 'SIGINT' && first.signal === signal && atMs - first.atMs < echoMs;
        if (isEcho) return;
        process.stderr.write(`a second signal, ${signal}: ending at once\n`);
        process.exit(128 + constants.signals[signal]);
      }
      first = { signal, atMs };
      log.info({ signal }, 'stopping');
      void end({ signal });
    });
  }

  let failures = 0;
  const fail = (error: unknown): void => {
    exitCode = 1;
    failures += 1;
    // Whatever is broken now may break again at each turn.
    if (failures > failuresMax) return;
    log.fatal(placeOf(error), 'stopping after an error nobody caught');
    void end({ error });
  };
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);
}

const failuresMax = 10;
const framesMax = 20;
const causesMax = 3;

/**
 * What an error was and where, without its message: that may quote anything, a
 * header with a credential or a body with a prompt, and no list of secrets
 * knows all of them.
 */
export function placeOf(error: unknown): object {
  const places: object[] = [];
  for (let each = error; each instanceof Error && places.length < causesMax; each = each.cause) {
    const { name, message, stack = '' } = each;
    const { code } = each as { code?: unknown };
    // A message of several lines must not pass for frames.
    const end = message === '' ? -1 : stack.indexOf(message);
    const frames = end === -1 ? stack : stack.slice(end + message.length);
    places.push({
      error: /^[A-Za-z]\w{0,63}$/.test(name) ? name : 'Error',
      ...(typeof code === 'string' && /^[A-Z][A-Z0-9_]*$/.test(code) && { code }),
      stack: frames
        .split('\n')
        .filter((line) => /^ +at /.test(line))
        .slice(0, framesMax)
        .map((line) => line.trim()),
    });
  }
  const [place = { error: typeof error }, ...causes] = places;
  return causes.length === 0 ? place : { ...place, causes };
}
