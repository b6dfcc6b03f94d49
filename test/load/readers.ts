import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';

// The readers: a process that fetches images and hashes them, or requests images and then stops reading.

interface ReadOrder {
  readonly read: {
    readonly origin: string;
    readonly paths: readonly string[];
    readonly atOnce: number;
    /** Until when a refused request is repeated. */
    readonly untilMs: number;
  };
}

interface StallOrder {
  readonly stall: { readonly origin: string; readonly paths: readonly string[] };
}

/** The result of one path. */
export interface ReadImage {
  readonly status: number;
  /** Hash of the image, also where it is in JSON. */
  readonly sha256: string;
  /** How often it was refused before. */
  readonly refusals: number;
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 });
const pauseMs = 500;
const stalled: Socket[] = [];

async function ask(url: string): Promise<IncomingMessage> {
  const [response] = (await once(get(url, { agent }), 'response')) as [IncomingMessage];
  return response;
}

async function hashOf(response: IncomingMessage): Promise<string> {
  const isJson = response.headers['content-type']?.startsWith('application/json') === true;
  const hash = createHash('sha256');
  const parts: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) {
    if (isJson) parts.push(chunk);
    else hash.update(chunk);
  }
  if (!isJson) return hash.digest('hex');
  const { response: made } = JSON.parse(Buffer.concat(parts).toString()) as {
    response?: { image?: string };
  };
  return hash.update(Buffer.from(made?.image ?? '', 'base64')).digest('hex');
}

async function readOne(url: string, untilMs: number): Promise<ReadImage> {
  for (let refusals = 0; ; refusals += 1) {
    try {
      const response = await ask(url);
      const status = response.statusCode ?? 0;
      const sha256 = await hashOf(response);
      const isRefused = [409, 429, 503].includes(status);
      if (!isRefused || Date.now() >= untilMs) return { status, sha256, refusals };
    } catch {
      if (Date.now() >= untilMs) return { status: 0, sha256: '', refusals };
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

async function readAll({ read }: ReadOrder): Promise<object> {
  const { origin, paths, atOnce, untilMs } = read;
  const results: ReadImage[] = [];
  let next = 0;
  const reader = async () => {
    for (let index = next++; index < paths.length; index = next++) {
      results[index] = await readOne(`${origin}${paths[index]}`, untilMs);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, reader));
  return { results };
}

/** Opens connections that read the first bytes of an image, then nothing. */
async function stall({ stall: order }: StallOrder): Promise<object> {
  const { hostname, port } = new URL(order.origin);
  let begun = 0;
  await Promise.all(
    order.paths.map(async (path) => {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => undefined);
      stalled.push(socket);
      await once(socket, 'connect');
      socket.write(`GET ${path} HTTP/1.1\r\nhost: load\r\n\r\n`);
      await Promise.race([once(socket, 'readable'), once(socket, 'close')]);
      const start = socket.read(12) as Buffer | null;
      if (start?.toString('latin1') === 'HTTP/1.1 200') begun += 1;
    }),
  );
  return { stalled: begun };
}

function release(): object {
  for (const socket of stalled) socket.destroy();
  return {};
}

process.on('message', (message: ReadOrder | StallOrder | { readonly release: true }) => {
  const done =
    'read' in message
      ? readAll(message)
      : 'stall' in message
        ? stall(message)
        : Promise.resolve(release());
  void done.then((result) => process.send?.(result));
});
process.send?.({ ready: true });
// Ends with the process that started it.
process.on('disconnect', () => process.exit());
