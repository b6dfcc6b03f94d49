import { describe, expect, test } from 'vitest';
import { runOnBytes } from '../../src/renderers/finish/byte-process.ts';

const limits = { timeoutMs: 60_000, outputBytesMax: 1_000_000 };

function run(code: string, input = Buffer.from('in'), more: object = {}) {
  return runOnBytes(['-e', code], input, { ...limits, ...more });
}

describe('a program that is run on bytes', () => {
  test('gives back what it writes', async () => {
    const input = Buffer.alloc(300_000, 7);
    expect(await run('process.stdin.pipe(process.stdout)', input)).toStrictEqual(input);
  });

  test('sees nothing of the environment', async () => {
    const output = await run('process.stdout.write(JSON.stringify(process.env))');
    expect(output.toString()).toBe('{}');
  });

  test('may crash', async () => {
    await expect(run('process.abort()')).rejects.toThrow('the process ended with SIGABRT');
    await expect(run('process.exit(3)')).rejects.toThrow('the process ended with code 3');
  });

  test('may end before it has read its input', async () => {
    const large = Buffer.alloc(5_000_000);
    await expect(run('process.exit(1)', large)).rejects.toThrow('ended with code 1');
  });

  test('may use more memory than there is', async () => {
    const program = ['--max-old-space-size=32', '-e', 'const a = []; for (;;) a.push(a.join())'];
    await expect(runOnBytes(program, Buffer.alloc(0), limits)).rejects.toThrow('ended with SIG');
  });

  test('is ended when it takes too long', async () => {
    const endless = run('for (;;);', undefined, { timeoutMs: 1_000 });
    await expect(endless).rejects.toThrow('the process took too long');
  });

  test('is ended when it writes too much', async () => {
    const code = 'for (;;) require("fs").writeSync(1, "x".repeat(60000))';
    await expect(run(code)).rejects.toThrow('the process wrote too much');
  });

  test('is ended when it is no longer wanted', async () => {
    const abort = new AbortController();
    const endless = run('for (;;);', undefined, { signal: abort.signal });
    abort.abort();
    await expect(endless).rejects.toThrow('the process was stopped');
    await expect(run('1', undefined, { signal: abort.signal })).rejects.toThrow('was stopped');
  });
});
