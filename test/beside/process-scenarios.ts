import { once } from 'node:events';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import type { Scenario } from './scenario.ts';

const exitWithinMs = 20_000;

export const processScenarios: readonly Scenario[] = [
  {
    name: 'file descriptors are gone',
    needs: 'prlimit',
    async run(stage) {
      const program = await stage.start({ stdout: 'ignore' });
      const { body } = await program.create('descriptors-1');
      stage.check('its image', await program.statusOf(`/operations/${body.id}/image?wait=10`), 200);
      // Node itself does not start with few of them: it reads its modules all at once.
      const open = readdirSync(`/proc/${program.pid}/fd`).length;
      const limited = spawnSync('prlimit', ['--pid', String(program.pid), `--nofile=${open + 20}`]);
      stage.check('prlimit', limited.status, 0);
      const port = Number(new URL(program.origin).port);
      const sockets: Socket[] = [];
      for (let count = 0; count < 200; count += 1) {
        const socket = connect(port, '127.0.0.1').on('error', () => undefined);
        sockets.push(socket);
        await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
      }
      await stage.until('lost connections are counted', async () => {
        const metrics = await program.metrics().catch(() => undefined);
        return (metrics?.sum('gateway_http_connections_lost_total') ?? 0) > 0;
      });
      for (const socket of sockets) socket.destroy();
      await stage.until(
        'requests work again',
        async () => (await program.statusOf('/readyz')) === 200,
      );
      stage.check(
        'its image after it',
        await program.statusOf(`/operations/${body.id}/image`),
        200,
      );
      program.signal('SIGTERM');
      stage.check('exit code after SIGTERM', await program.exit(exitWithinMs), 0);
    },
  },
  {
    name: 'file descriptors are gone when the first image is drawn, and then come back',
    needs: 'prlimit',
    async run(stage) {
      const program = await stage.start({ stdout: 'ignore' });
      const limitTo = (descriptors: number) =>
        stage.check(
          'prlimit',
          spawnSync('prlimit', ['--pid', String(program.pid), `--nofile=${descriptors}:`]).status,
          0,
        );
      const open = readdirSync(`/proc/${program.pid}/fd`).length;
      // Whatever is opened for a first drawing, one of these limits is met in its middle.
      for (const more of [2, 3, 4, 5, 6, 7, 8]) {
        limitTo(open + more);
        const { body } = await program.create();
        await program.statusOf(`/operations/${body.id}/image?wait=1`);
      }
      limitTo(4_096);
      await stage.until('an image is drawn again', async () => {
        const { body } = await program.create();
        return (await program.statusOf(`/operations/${body.id}/image?wait=5`)) === 200;
      });
      program.signal('SIGTERM');
      stage.check('exit code after SIGTERM', await program.exit(exitWithinMs), 0);
    },
  },
];
