/**
 * A guarded server that uses up the file descriptors of its process when it is
 * asked to. Started by a test under a low `ulimit -n`; logs to standard output.
 */
import { openSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { edgeLimits } from '../../src/http/edge/edge-limits.ts';
import { openGuardedServer } from '../../src/http/edge/guarded-server.ts';

const log = pino({ base: null }, pino.destination({ dest: 1, sync: true }));

function openAll(): void {
  try {
    for (;;) openSync('/dev/null', 'r');
  } catch {
    // None is left.
  }
}

const server = openGuardedServer(
  ({ url }, response) => {
    if (url === '/exhaust') openAll();

    response.end('served');
  },
  {
    limits: { ...edgeLimits, sweepMs: 100 },
    log,
    origin: () => 'http://gateway',
    pageHeaders: () => ({}),
  },
);
server.listen(0, '127.0.0.1', () => {
  log.info({ port: (server.address() as AddressInfo).port }, 'listening');
});
