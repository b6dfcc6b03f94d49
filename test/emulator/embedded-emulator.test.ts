import { describe, expect, it } from 'vitest';
import { startEmbeddedEmulator } from '../../src/emulator/embedded-emulator.ts';
import {
  closeAfterwards,
  connect,
  drawn,
  generate,
  imageRequest,
  rpcErrorOf,
  start,
} from './emulator-client.ts';

describe('the embedded emulator', () => {
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

  it('does not start on a port that is taken', async () => {
    const { emulator } = await start();
    const failures: Error[] = [];
    const onFailure = (error: Error) => failures.push(error);
    const starting = startEmbeddedEmulator({ port: emulator.port, onFailure });
    await expect(starting).rejects.toThrow(/EADDRINUSE|No address/);
    expect(failures).toEqual([]);
  });
});
