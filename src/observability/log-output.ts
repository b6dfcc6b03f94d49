import { constants, fstatSync, openSync, write } from 'node:fs';
import { isatty } from 'node:tty';

/** Lines that could not be written, and why. */
export interface LogLoss {
  readonly lines: number;
  /** Of the system's error, such as `ENOSPC`; `EAGAIN` where no one reads the log. */
  readonly code: string;
}

export interface LogOutputOptions {
  /** Number of an open file. */
  readonly fd: number;
  /** Called when the first line is lost. */
  readonly onLoss?: (loss: LogLoss) => void;
  /** Called when lines are written again, with all that were lost in between. */
  readonly onRecovery?: (loss: LogLoss) => void;
}

/** Characters that are written together: a write costs as much as making a line. */
const batchLength = 16_000;
/** Characters that wait at most; further lines are lost. */
const pendingLengthMax = 1_000_000;
/** Longest time that a line waits for others. */
const batchMs = 100;
/** Time until an output whose reader is slow is tried again. */
const busyMs = 100;
/** Time until an output that failed is tried again. */
const failedMs = 1_000;
const flushMs = 500;

/**
 * The output of the log. It never blocks the process and never fails: when the
 * disk is full, or no one reads, lines are lost and counted.
 *
 * Not pino's own destination: its error ends the process, or makes it retry
 * forever in one turn of the loop when the last line is written.
 */
export class LogOutput {
  readonly #options: LogOutputOptions;
  readonly #sink: Sink;
  #pending = '';
  #pendingLines = 0;
  /** Present while a batch is on its way or waits for its time. */
  #timer: NodeJS.Timeout | undefined;
  #isWriting = false;
  #isInCall = false;
  /** Whether the last thing written was a part of a line. */
  #isMidLine = false;
  #lostLines = 0;
  #loss: LogLoss | undefined;
  readonly #flushed = new Set<() => void>();

  constructor(options: LogOutputOptions) {
    this.#options = options;
    this.#sink = sinkOf(options.fd);
  }

  /** How many lines were lost since the start. */
  get lostLines(): number {
    return this.#lostLines;
  }

  /**
   * Whether a write does not return. `process.exit` would wait for it as well,
   * so a process in this state must end in another way.
   */
  get isBlocked(): boolean {
    return this.#isInCall && this.#sink.mayBlock;
  }

  /** @param line One line with its end. */
  write(line: string): void {
    if (this.#pending.length >= pendingLengthMax) {
      this.#lose({ lines: 1, code: 'EAGAIN' });
      return;
    }
    this.#pending += line;
    this.#pendingLines += 1;
    const isFull = this.#pending.length >= batchLength && this.#loss === undefined;
    if (isFull && !this.#isWriting) this.#send();
    else this.#sendLater();
  }

  /** Resolves when no line waits any more, or after half a second. */
  flush(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#flushed.delete(done) && resolve(), flushMs);
      const done = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#flushed.add(done);
      if (!this.#isWriting) this.#send();
    });
  }

  #sendLater(): void {
    if (this.#isWriting) return;
    this.#timer ??= setTimeout(() => this.#send(), this.#loss === undefined ? batchMs : failedMs);
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#pending === '') {
      for (const done of this.#flushed) done();
      this.#flushed.clear();
      return;
    }
    const batch = Buffer.from(this.#isMidLine ? `\n${this.#pending}` : this.#pending);
    const lines = this.#pendingLines;
    this.#pending = '';
    this.#pendingLines = 0;
    this.#isWriting = true;
    this.#writeFrom(batch, 0, lines);
  }

  #writeFrom(batch: Buffer, from: number, lines: number): void {
    this.#isInCall = true;
    this.#sink.write(batch, from, (error, written) => {
      this.#isInCall = false;
      const at = from + written;
      if (written > 0) this.#isMidLine = batch[at - 1] !== newLine;
      if (error === null && at < batch.length) this.#writeFrom(batch, at, lines);
      else if (error === null) this.#sent(undefined);
      else if (error.code === 'EAGAIN' || error.code === 'EBUSY') {
        setTimeout(() => this.#writeFrom(batch, at, lines), busyMs);
      } else {
        const left = Math.min(lines, linesFrom(batch, at));
        this.#sent({ lines: left, code: error.code ?? 'EIO' });
      }
    });
  }

  #sent(loss: LogLoss | undefined): void {
    this.#isWriting = false;
    const before = this.#loss;
    if (loss !== undefined) this.#lose(loss);
    else if (before !== undefined) {
      this.#loss = undefined;
      this.#options.onRecovery?.(before);
    }
    const isFull = this.#pending.length >= batchLength && this.#loss === undefined;
    if (isFull || this.#flushed.size > 0) this.#send();
    else if (this.#pending !== '') this.#sendLater();
  }

  #lose({ lines, code }: LogLoss): void {
    const before = this.#loss;
    this.#lostLines += lines;
    this.#loss = { lines: (before?.lines ?? 0) + lines, code };
    if (before === undefined) this.#options.onLoss?.(this.#loss);
  }
}

const newLine = 10;

function linesFrom(batch: Buffer, start: number): number {
  let lines = 0;
  for (let at = batch.indexOf(newLine, start); at !== -1; at = batch.indexOf(newLine, at + 1)) {
    lines += 1;
  }
  return lines;
}

/** Where lines go. */
interface Sink {
  /** Whether a write holds a thread of the process for as long as no one reads. */
  readonly mayBlock: boolean;
  /** Writes what there is from a byte on, or a part of it. */
  write(
    batch: Buffer,
    from: number,
    done: (error: NodeJS.ErrnoException | null, written: number) => void,
  ): void;
}

const standardOutput = 1;

function sinkOf(fd: number): Sink {
  const isSocket = fd === standardOutput && fstatSync(fd).isSocket();
  return isSocket ? socketSink() : fileSink(fd);
}

/** A socket, as a supervisor or systemd gives it to the process. Node writes to it without blocking. */
function socketSink(): Sink {
  const { stdout } = process;
  stdout.on('error', () => undefined);
  return {
    mayBlock: false,
    write(batch, from, done) {
      const rest = batch.subarray(from);
      stdout.write(rest, (error) => done(error ?? null, error ? 0 : rest.length));
    },
  };
}

/**
 * A file; or a pipe or terminal, opened again so that a write to it returns
 * although no one reads. The flag is not set on the open file itself, which other
 * processes share.
 */
function fileSink(fd: number): Sink {
  const own = openedAgain(fd);
  return {
    mayBlock: own === undefined,
    write: (batch, from, done) => write(own ?? fd, batch, from, done),
  };
}

function openedAgain(fd: number): number | undefined {
  try {
    if (!fstatSync(fd).isFIFO() && !isatty(fd)) return undefined;
    const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
    return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    return undefined;
  }
}
