import { spawn, type ChildProcess } from 'node:child_process';

/** Bounds of one run. */
export interface RunLimits {
  readonly timeoutMs: number;
  readonly outputBytesMax: number;
  /** Ends the run when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** Why a run brought nothing. */
export class RunError extends Error {
  override readonly name = 'RunError';
}

/**
 * Runs a Node program that reads bytes from standard input and writes bytes to
 * standard output. A process of its own: whatever the bytes do to it (a crash of
 * native code, too much memory, no end), this process goes on. It gets no
 * environment, so no secret is in its reach.
 *
 * @throws RunError when it can't be started, fails, takes too long or writes too much.
 */
export function runOnBytes(
  program: readonly string[],
  input: Uint8Array,
  limits: RunLimits,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, program, { env: {}, stdio: ['pipe', 'pipe', 'ignore'] });
    let problem: string | undefined;
    const stop = (why: string) => {
      problem ??= why;
      child.kill('SIGKILL');
    };
    const timer = setTimeout(() => stop('took too long'), limits.timeoutMs);
    const abort = () => stop('was stopped');
    limits.signal?.addEventListener('abort', abort, { once: true });
    if (limits.signal?.aborted === true) abort();
    child.on('error', (error) => (problem ??= `could not be started: ${error.message}`));
    const output = collect(child, limits.outputBytesMax, () => stop('wrote too much'));
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      limits.signal?.removeEventListener('abort', abort);
      if (code !== 0) problem ??= `ended with ${signal ?? `code ${code}`}`;
      if (problem === undefined) resolve(Buffer.concat(output));
      else reject(new RunError(`the process ${problem}`));
    });
    // It may end before it has read everything; its end says why.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

function collect(child: ChildProcess, bytesMax: number, tooMuch: () => void): Buffer[] {
  const output: Buffer[] = [];
  let byteLength = 0;
  child.stdout?.on('data', (chunk: Buffer) => {
    byteLength += chunk.length;
    if (byteLength > bytesMax) return tooMuch();
    output.push(chunk);
  });
  return output;
}
