import { createHash } from 'node:crypto';
import { Agent } from 'node:http';
import { send } from '../test/support/http-client.ts';

// The clients of a whole life: one creates an image, ten more look at it.

interface Order {
  readonly origin: string;
  readonly lives: number;
  readonly viewers: number;
  /** How a client learns that the image is there: the gateway waits for it, or it polls every second. */
  readonly style: 'wait' | 'poll';
}

const agent = new Agent({ keepAlive: true, maxSockets: 2_000 });

const get = (url: string) => send(url, { agent });

/** The hash of the image that one client ends up with. */
async function view(origin: string, id: string, style: Order['style']): Promise<string> {
  const image = `${origin}/operations/${id}/image`;
  if (style === 'wait') return sha256Of((await get(`${image}?wait=60`)).body);
  for (;;) {
    const { body } = await get(`${origin}/operations/${id}`);
    if ((JSON.parse(body.toString()) as { done: boolean }).done) break;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  return sha256Of((await get(image)).body);
}

function sha256Of(body: Buffer): string {
  return createHash('sha256').update(body).digest('hex');
}

async function live({ origin, viewers, style }: Order): Promise<string[]> {
  const { body } = await send(`${origin}/v1/images`, { agent, body: { prompt: 'a cat' } });
  const { id } = JSON.parse(body.toString()) as { id: string };
  return Promise.all(Array.from({ length: viewers + 1 }, () => view(origin, id, style)));
}

process.on('message', (order: Order) => {
  const lives = Array.from({ length: order.lives }, async (_, index) => {
    // Spread over a second, as people are.
    await new Promise((resolve) => setTimeout(resolve, (index * 1_000) / order.lives));
    return live(order);
  });
  void Promise.all(lives).then((sha256) => process.send?.({ sha256: sha256.flat() }));
});
process.send?.({ ready: true });
