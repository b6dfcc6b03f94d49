import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { constants } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { LogOutput, type LogLoss } from '../../src/observability/log-output.ts';

let directory: string;
const open: number[] = [];
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'gateway-log-'));
});
afterEach(() => open.splice(0).forEach((fd) => closeSync(fd)));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function opened(path: string, flags: string | number): number {
  const fd = openSync(path, flags);
  open.push(fd);
  return fd;
}

function outputTo(fd: number) {
  const losses: LogLoss[] = [];
  const recoveries: LogLoss[] = [];
  const output = new LogOutput({
    fd,
    onLoss: (loss) => losses.push(loss),
    onRecovery: (loss) => recoveries.push(loss),
  });
  return { output, losses, recoveries };
}

const lineOf = (number: number) => `{"number":${number}}\n`;
const busy = { timeout: 20_000 };

it('writes every line, in order and whole', async () => {
  const path = join(directory, 'fine.log');
  const { output } = outputTo(opened(path, 'w'));
  for (let number = 0; number < 20_000; number += 1) output.write(lineOf(number));
  await expect
    .poll(() => output.flush().then(() => readFileSync(path, 'utf8').length), busy)
    .toBe(Array.from({ length: 20_000 }, (_, number) => lineOf(number)).join('').length);
  expect(readFileSync(path, 'utf8').split('\n')[19_999]).toBe('{"number":19999}');
  expect(output.lostLines).toBe(0);
});

it('counts the lines that a full disk does not take, and says so once', async () => {
  const { output, losses, recoveries } = outputTo(opened('/dev/full', 'w'));
  for (let number = 0; number < 50; number += 1) output.write(lineOf(number));
  await output.flush();
  output.write(lineOf(50));
  await output.flush();
  expect(output.lostLines).toBe(51);
  expect(losses).toEqual([{ lines: 50, code: 'ENOSPC' }]);
  expect(recoveries).toEqual([]);
  expect(output.isBlocked).toBe(false);
});

it('goes on while no one reads a pipe, keeps what fits, and reports the lost lines when it is read again', async () => {
  const path = join(directory, 'pipe');
  expect(spawnSync('mkfifo', [path]).status).toBe(0);
  const reader = opened(path, constants.O_RDWR | constants.O_NONBLOCK);
  const { output, losses, recoveries } = outputTo(reader);
  const long = `${'x'.repeat(9_999)}\n`;
  for (let number = 0; number < 200; number += 1) output.write(long);
  await output.flush();
  expect(output.isBlocked).toBe(false);
  // A pipe holds 64 KiB and the output a megabyte; the rest of two megabytes is lost.
  expect(output.lostLines).toBeGreaterThan(80);
  expect(losses).toEqual([{ lines: 1, code: 'EAGAIN' }]);
  const chunk = Buffer.alloc(1_000_000);
  let read = 0;
  const drain = () => {
    try {
      read += readSync(reader, chunk);
    } catch {
      // Empty for now.
    }
    return recoveries.length;
  };
  await expect.poll(drain, busy).toBe(1);
  await expect.poll(() => drain() && read, busy).toBe((200 - output.lostLines) * long.length);
  expect(recoveries).toEqual([{ lines: output.lostLines, code: 'EAGAIN' }]);
});
