import { writeFile } from 'node:fs/promises';
import OpenAI from 'openai';
import {
  HttpBackend,
  imageBody,
  jsonResponse,
  png,
  type Script,
} from '../renderers/http-backend.ts';
import { startGateway } from '../support/gateway.ts';
import { CountingTap } from './counting-tap.ts';
import { freePort, type Workshop } from './workshop.ts';

const key = 'sk-litellm';

const status =
  (code: number): Script =>
  (socket) =>
    socket.end(jsonResponse(code, { error: { message: 'no' } }));

/** What the backend does, by the last words of the prompt. */
const ways: Readonly<Record<string, Script>> = {
  reset: (socket) => socket.resetAndDestroy(),
  '500': status(500),
  '503': status(503),
  '429': status(429),
  '200': (socket) => socket.end(jsonResponse(200, imageBody(png()))),
};

/** The models of the proxy, and what is special in the configuration of each. */
const models = {
  'as-is': { provider: 'openai', settings: {} },
  'no-retries': { provider: 'openai', settings: { num_retries: 0, max_retries: 0 } },
  'as-azure': {
    provider: 'azure',
    settings: { num_retries: 0, api_version: '2025-04-01-preview' },
  },
} as const;

/** LiteLLM's proxy between the gateway and a backend that counts: how often is an image asked for? */
export async function tryLitellm(workshop: Workshop): Promise<void> {
  const bin = await workshop.python('litellm', ['litellm[proxy]']);
  workshop.note(`LiteLLM ${workshop.version(bin, 'litellm')}`);
  const backend = await HttpBackend.listen();
  const counts = countPosts(backend);
  const proxy = await startProxy(workshop, bin, backend.url, {});
  const tap = await CountingTap.inFrontOf(proxy.url);
  try {
    await throughGateway(workshop, { backend, tap, counts });
    for (const model of Object.keys(models)) {
      const seen = await countsOf(`${proxy.url}/v1`, model, counts);
      workshop.note(`a plain POST to LiteLLM, model ${model}: ${seen} at the backend`);
    }
    await throughGatewayAlone(workshop, backend, counts);
    const direct = await countsOf(`${backend.url}/v1`, 'alone', counts, {});
    workshop.note(`the openai client alone: ${direct} at the backend`);
  } finally {
    await tap.close();
    await proxy.stop();
  }
  const strict = await startProxy(workshop, bin, backend.url, { num_retries: 0 });
  try {
    for (const model of Object.keys(models)) {
      const seen = await countsOf(`${strict.url}/v1`, model, counts);
      workshop.note(`the same with num_retries: 0 for all, model ${model}: ${seen}`);
    }
  } finally {
    await strict.stop();
    await backend.close();
  }
}

/** POSTs at the backend by prompt. */
function countPosts(backend: HttpBackend): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  backend.onPost = (socket, received) => {
    const { prompt } = JSON.parse(received.body) as { prompt: string };
    counts.set(prompt, (counts.get(prompt) ?? 0) + 1);
    ways[prompt.split(' ').at(-1) ?? '']?.(socket, received);
  };
  return counts;
}

async function startProxy(
  workshop: Workshop,
  bin: string,
  backend: string,
  routerSettings: object,
): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const list = Object.entries(models).map(([name, { provider, settings }]) => ({
    model_name: name,
    litellm_params: {
      model: `${provider}/${name}`,
      api_base: provider === 'azure' ? backend : `${backend}/v1`,
      api_key: 'sk-backend',
      ...settings,
    },
  }));
  const config = workshop.path('litellm.json');
  const general = { master_key: key };
  // YAML reads JSON.
  await writeFile(
    config,
    JSON.stringify({
      model_list: list,
      general_settings: general,
      router_settings: routerSettings,
      litellm_settings: routerSettings,
    }),
  );
  const url = `http://127.0.0.1:${await freePort()}`;
  const child = await workshop.start(
    `${bin}/litellm`,
    ['--config', config, '--host', '127.0.0.1', '--port', new URL(url).port],
    { address: `${url}/health/liveliness`, environment: { LITELLM_LOCAL_MODEL_COST_MAP: 'True' } },
  );
  return { url, stop: () => workshop.stop(child) };
}

interface Between {
  readonly backend: HttpBackend;
  readonly tap: CountingTap;
  readonly counts: ReadonlyMap<string, number>;
}

async function throughGateway(workshop: Workshop, { tap, counts }: Between): Promise<void> {
  for (const model of Object.keys(models)) {
    const gateway = await startGateway({
      ...{ BACKEND_URL: tap.url, BACKEND_API_KEY: key, BACKEND_MODEL: model },
    });
    const seen: string[] = [];
    let isOnce = true;
    for (const way of Object.keys(ways)) {
      const prompt = `gateway and ${model} ${way}`;
      const response = await gateway.create({ prompt }, { accept: 'image/*' });
      const bytes = await response.arrayBuffer();
      const end = response.ok
        ? 'image'
        : (JSON.parse(Buffer.from(bytes).toString()) as { code: string }).code;
      const posts = tap.posts(prompt);
      isOnce &&= posts === 1 && end === (way === '200' ? 'image' : 'result_lost');
      seen.push(`${way}: ${posts} → ${counts.get(prompt) ?? 0} (${end})`);
    }
    workshop.note(gateway.logLines.find((line) => line.includes('"msg":"backend"'))?.trim() ?? '');
    workshop.tell(
      `one create is one POST to LiteLLM, and no lost image is asked for again: ${model}`,
      isOnce,
      `${seen.join(', ')}; POSTs to LiteLLM → at the backend`,
    );
    await gateway.close();
  }
}

async function throughGatewayAlone(
  workshop: Workshop,
  backend: HttpBackend,
  counts: ReadonlyMap<string, number>,
): Promise<void> {
  const gateway = await startGateway({ BACKEND_URL: backend.url, BACKEND_SPEND: 'once' });
  // A 429 waits in the queue, and the request with it.
  const lost = Object.keys(ways).filter((way) => way !== '429');
  const seen = await countsOf(`${gateway.origin}/v1`, 'yandex-art', counts, {}, lost);
  await gateway.close();
  workshop.tell(
    'the openai client with its two repeats, through the gateway: one POST at the backend',
    lost.every((way) => counts.get(`yandex-art ${way}`) === 1),
    seen,
  );
}

/** How many POSTs reach the backend for one request of a client to an address, for each way. */
async function countsOf(
  baseURL: string,
  model: string,
  counts: ReadonlyMap<string, number>,
  options: { readonly maxRetries?: number } = { maxRetries: 0 },
  tried: readonly string[] = Object.keys(ways),
): Promise<string> {
  const client = new OpenAI({ baseURL, apiKey: key, ...options });
  const seen: string[] = [];
  for (const way of tried) {
    const prompt = `${model} ${way}`;
    const before = counts.get(prompt) ?? 0;
    await client.images.generate({ model, prompt }).catch(() => undefined);
    seen.push(`${way}: ${(counts.get(prompt) ?? 0) - before}`);
  }
  return seen.join(', ');
}
