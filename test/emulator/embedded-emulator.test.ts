import type { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { startEmbeddedEmulator } from '../../src/emulator/embedded-emulator.ts';
import { startGateway } from '../support/gateway.ts';
import {
  closeAfterwards,
  connect,
  drawn,
  generate,
  imageRequest,
  rpcErrorOf,
  start,
} from './emulator-client.ts';

describe('the embedded emulator', { timeout: 60_000 }, () => {
  it('draws on its own thread the same image as in the process', async () => {
    const embedded = closeAfterwards(await startEmbeddedEmulator({ latencyMs: 0 }));
    const { grpc } = await start();
    const onThread = await drawn(connect(embedded.address), imageRequest('a red cat'));
    expect(onThread.equals(await drawn(grpc, imageRequest('a red cat')))).toBe(true);
  });

  it('ends when it is closed, even twice, without a reported failure', async () => {
    const failures: Error[] = [];
    const onFailure = (error: Error) => failures.push(error);
    const emulator = await startEmbeddedEmulator({ latencyMs: 0, onFailure });
    await emulator.close();
    await emulator.close();
    const error = rpcErrorOf(connect(emulator.address).call(generate, imageRequest('a')));
    expect((await error).code).toBe(14);
    expect(failures).toEqual([]);
  });

  it('that dies leaves the gateway alive, refuses creates, and is reported once', async () => {
    const threads: Worker[] = [];
    const remember = (thread: Worker) => void threads.push(thread);
    process.on('worker', remember);
    const gateway = closeAfterwards(await startGateway());
    process.off('worker', remember);
    expect(threads).toHaveLength(1);
    await threads[0]?.terminate();
    const ended = () => gateway.logLines.filter((line) => line.includes('embedded upstream ended'));
    await expect.poll(() => ended().length, { timeout: 10_000 }).toBe(1);
    const create = async () => {
      const response = await gateway.create({ prompt: 'a cat' });
      return [response.status, ((await response.json()) as { outcome?: string }).outcome];
    };
    await expect.poll(create, { timeout: 10_000 }).toEqual([503, 'not_started']);
    expect(await (await gateway.fetch('/livez')).text()).toContain('live');
    expect(ended()).toHaveLength(1);
  });

  it('whose failure can not be reported harms no one', async () => {
    const threads: Worker[] = [];
    const remember = (thread: Worker) => void threads.push(thread);
    process.on('worker', remember);
    let reports = 0;
    const emulator = closeAfterwards(
      await startEmbeddedEmulator({
        onFailure: () => {
          reports += 1;
          throw new Error('the log is broken');
        },
      }),
    );
    process.off('worker', remember);
    await threads[0]?.terminate();
    await expect.poll(() => reports).toBe(1);
    await emulator.close();
  });

  it('does not start on a port that is taken', async () => {
    const { emulator } = await start();
    const failures: Error[] = [];
    const onFailure = (error: Error) => failures.push(error);
    const starting = startEmbeddedEmulator({ port: emulator.port, onFailure });
    await expect(starting).rejects.toThrow(/EADDRINUSE|No address/);
    expect(failures).toEqual([]);
  });
});
