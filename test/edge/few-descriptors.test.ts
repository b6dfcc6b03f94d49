import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { afterEach, expect, it } from 'vitest';

/** Enough to start on. */
const descriptorsMax = 200;
const kill: (() => void)[] = [];
afterEach(() => {
  for (const end of kill.splice(0)) end();
});

async function start() {
  const program = 'node --import tsx test/edge/few-descriptors.ts';
  const child = spawn('bash', ['-c', `ulimit -n ${descriptorsMax}; exec ${program}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  kill.push(() => child.kill('SIGKILL'));
  const lines: Record<string, unknown>[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => lines.push(JSON.parse(line) as Record<string, unknown>));
  await once(reader, 'line');
  return { lines, port: Number(lines[0]?.['port']) };
}

/** A connection, or undefined where it is closed before a response comes. */
async function served(port: number): Promise<Socket | undefined> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  kill.push(() => socket.destroy());
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  const isServed = await new Promise((resolve) => {
    socket.once('data', () => resolve(true));
    socket.once('close', () => resolve(false));
  });
  return isServed === true ? socket : undefined;
}

async function ask(socket: Socket, path: string): Promise<string> {
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
  return String(await once(socket, 'data'));
}

it('a process with few file descriptors takes fewer connections, and says so', async () => {
  const { lines, port } = await start();
  const sockets: (Socket | undefined)[] = [];
  for (let count = 0; count < descriptorsMax + 50; count += 1) sockets.push(await served(port));
  // The longest idle made room for the last.
  expect(sockets.at(-1)).toBeDefined();
  const possible = Number(lines.find((line) => 'possible' in line)?.['possible']);
  expect(possible).toBeLessThan(descriptorsMax);
  await expect
    .poll(() => lines.some((line) => Number(line['idle']) > 0), { timeout: 10_000 })
    .toBe(true);
  expect(lines.some((line) => 'descriptors' in line)).toBe(false);
});

it('a process without file descriptors logs that, and closes idle connections to serve new ones', async () => {
  const { lines, port } = await start();
  const idle = [await served(port), await served(port), await served(port)];
  expect(await ask(idle[0]!, '/exhaust')).toContain('200 OK');
  const options = { timeout: 10_000 };
  await expect
    .poll(() => lines.some((line) => Number(line['descriptors']) > 0), options)
    .toBe(true);
  await expect.poll(async () => (await served(port)) !== undefined, options).toBe(true);
});
