import { constants } from 'node:os';
import { writeToStandardError, type OpenedLog } from '../observability/log.ts';

/** The reason why the process exits. */
export type ExitCause = { readonly signal: NodeJS.Signals } | { readonly error: unknown };

export interface ProcessExitOptions {
  /** Closes everything; called again, it hurries. Resolves with whether that was done in time. */
  readonly close: (cause: ExitCause) => Promise<boolean>;
  readonly log: Pick<OpenedLog, 'log' | 'flush' | 'isBlocked'>;
  /** Whether the process was started in a terminal, whose end then is its own. */
  readonly hasTerminal: boolean;
  /** Time after a cause at which the process exits even if `close` has not ended. */
  readonly limitMs: (cause: ExitCause) => number;
}

/**
 * The signals that this file owns. Every other signal keeps the system's
 * behaviour: after a real SIGSEGV or SIGBUS no listener may run, SIGQUIT means
 * at once, and SIGUSR1 opens Node's inspector.
 */
const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
/** npm forwards the SIGINT of a terminal to a process that already has it; the copy arrives within this time. */
const echoMs = 250;

/**
 * The exit of the process: on SIGTERM, SIGINT or SIGHUP (code 0) or after an
 * uncaught error (code 1), once everything is closed. A second signal exits at
 * once with 128 + its number.
 *
 * Without a terminal SIGHUP is ignored: `nohup`, cron and service managers start
 * the process so that it outlives the terminal. Node resets the ignored SIGHUP
 * that it inherits from `nohup`, so that one is no longer to be seen.
 */
export function exitOnSignalOrError(options: ProcessExitOptions): void {
  const { close, limitMs, hasTerminal } = options;
  const { log, flush, isBlocked } = options.log;
  // process.exit waits for a write that does not return.
  const leave = (code: number) =>
    isBlocked() ? process.kill(process.pid, 'SIGKILL') : process.exit(code);
  let exitCode = 0;
  let first: { readonly signal: NodeJS.Signals; readonly atMs: number } | undefined;

  const exit = async (cause: ExitCause): Promise<void> => {
    setTimeout(() => leave(1), limitMs(cause));
    const isDone = await close(cause).catch(() => false);
    if (!isDone) exitCode = 1;
    log.info('stopped');
    await flush();
    leave(exitCode);
  };

  for (const signal of signals) {
    process.on(signal, () => {
      if (signal === 'SIGHUP' && !hasTerminal) return;
      const atMs = performance.now();
      if (first !== undefined) {
        const isEcho = signal === 'SIGINT' && first.signal === signal && atMs - first.atMs < echoMs;
        if (isEcho) return;
        writeToStandardError(`second signal, ${signal}: exiting at once\n`);
        leave(128 + constants.signals[signal]);
      }
      first = { signal, atMs };
      log.info({ signal }, 'stopping');
      void exit({ signal });
    });
  }

  let failures = 0;
  const fail = (error: unknown): void => {
    exitCode = 1;
    failures += 1;
    // What is broken may fail again in each turn of the loop.
    if (failures > failuresMax) return;
    log.fatal(placeOf(error), 'stopping after an uncaught error');
    void exit({ error });
  };
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);
}

const failuresMax = 10;
const framesMax = 20;
const causesMax = 3;

/**
 * The name, code and stack frames of an error, without its message: a message
 * may quote a credential or a prompt, and no list of secrets knows all of them.
 */
export function placeOf(error: unknown): object {
  const places: object[] = [];
  for (let each = error; each instanceof Error && places.length < causesMax; each = each.cause) {
    const { name, message, stack = '' } = each;
    const { code } = each as { code?: unknown };
    // Lines of a message must not be taken for frames.
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
