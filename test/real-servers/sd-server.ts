import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import OpenAI from 'openai';
import { imageFactsFromBytes } from '../../src/image/sniff.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { CountingTap } from './counting-tap.ts';
import { writeTinyModel } from './tiny-model.ts';
import { freePort, Missing, type Workshop } from './workshop.ts';

const sourceVersion = '0.4.7';
const source = `stable_diffusion_cpp_python-${sourceVersion}`;
const command = '<sd_cpp_extra_args>{"width":192,"batch_count":3}</sd_cpp_extra_args>';

/** Forms of the command in which a filter could overlook it. */
const variants = {
  'as it is': command,
  'in capitals': command.toUpperCase(),
  'in full width': command.replace(/[!-~]/g, (c) => String.fromCodePoint(c.charCodeAt(0) + 0xfee0)),
  'with a zero-width space': command.replaceAll('_', '_\u200b'),
  'with a soft hyphen': command.replaceAll('cpp', 'c\u00adpp'),
  'with a wide underscore': command.replaceAll('_', '\uff3f'),
  'in mathematical letters': command.replaceAll('sd', '\u{1d42c}\u{1d41d}'),
  'without its end': command.replace(/<\/.*/, ''),
};

/** stable-diffusion.cpp's own server with a tiny random model behind the gateway. */
export async function trySdServer(workshop: Workshop): Promise<void> {
  const program = await buildServer(workshop);
  const model = await writeTinyModel(workshop.folder);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = await workshop.start(
    program,
    [
      ...['--listen-ip', '127.0.0.1', '--listen-port', String(port), '--steps', '2'],
      ...['--cfg-scale', '1', '-W', '64', '-H', '64', '--diffusion-model', model.diffusion],
      ...['--clip_l', model.clip, '--taesd', model.decoder],
    ],
    { address: `${url}/v1/models` },
  );
  const obeyed = await sentStraight(url);
  workshop.tell(
    'sent straight to it, a command in a prompt is obeyed',
    obeyed === 3,
    `${obeyed} images`,
  );
  const tap = await CountingTap.inFrontOf(url);
  const gateway = await startGateway({
    BACKEND_URL: tap.url,
    BACKEND_PARAMS: '{"size":"64x64"}',
  });
  try {
    workshop.note(gateway.logLines.find((line) => line.includes('"msg":"backend"'))?.trim() ?? '');
    await seeds(workshop, gateway);
    await surfaces(workshop, gateway);
    await commands(workshop, gateway, tap);
  } finally {
    await gateway.close();
    await tap.close();
    await workshop.stop(child);
  }
}

async function buildServer(workshop: Workshop): Promise<string> {
  const program = workshop.path('sd-build', 'bin', 'sd-server');
  if (existsSync(program)) return program;
  for (const name of ['cmake', 'g++', 'make', 'tar']) workshop.needs(name, 'to build sd-server');
  const bin = await workshop.python('source', []);
  const options = ['--no-deps', '--no-binary', ':all:', '--dest', workshop.folder];
  await workshop.install(`${bin}/pip`, [
    ...['download', ...options, `stable-diffusion-cpp-python==${sourceVersion}`],
  ]);
  await workshop.install('tar', ['xzf', `${source}.tar.gz`]);
  const folder = workshop.path(source, 'vendor', 'stable-diffusion.cpp');
  if (!existsSync(folder)) throw new Missing('the source of stable-diffusion.cpp in the package');
  workshop.note('building sd-server');
  const flags = ['-DCMAKE_BUILD_TYPE=Release', '-DCMAKE_CXX_FLAGS_RELEASE=-O1', '-DSD_WEBP=OFF'];
  await workshop.install('cmake', ['-S', folder, '-B', 'sd-build', '-DSD_WEBM=OFF', ...flags]);
  await workshop.install('cmake', ['--build', 'sd-build', '--target', 'sd-server', '-j', '2']);
  return program;
}

async function sentStraight(url: string): Promise<number> {
  const response = await fetch(`${url}/v1/images/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: `a red cat ${command}`, size: '64x64', n: 1 }),
  });
  return ((await response.json()) as { data: unknown[] }).data.length;
}

async function imageOf(gateway: Gateway, body: object): Promise<Buffer> {
  const response = await gateway.create(body, { accept: 'image/*' });
  const bytes = Buffer.from(await response.arrayBuffer());
  if (!response.ok) throw new Error(bytes.toString());
  return bytes;
}

const mediaType = 'image/png';
async function seeds(workshop: Workshop, gateway: Gateway): Promise<void> {
  const response = await gateway.create(
    { prompt: 'a red cat', seed: '1', mimeType: mediaType },
    { prefer: 'wait=60' },
  );
  const { response: made } = (await response.json()) as { response?: { seedApplied?: boolean } };
  workshop.tell('the operation says that the seed was not applied', made?.seedApplied === false, {
    status: response.status,
    seedApplied: made?.seedApplied,
  });
  const one = await imageOf(gateway, { prompt: 'a red cat', seed: '1', mimeType: mediaType });
  const two = await imageOf(gateway, { prompt: 'a red cat', seed: '2', mimeType: mediaType });
  const dog = await imageOf(gateway, { prompt: 'a blue dog', seed: '1', mimeType: mediaType });
  await writeFile(workshop.path('sd-cat.png'), one);
  workshop.tell(
    'two seeds are one image, another prompt is another',
    one.equals(two) && !one.equals(dog),
  );
  const texts = ['tEXt', 'iTXt', 'zTXt', 'red cat'].filter((word) => one.includes(word));
  workshop.tell('the prompt in the PNG is cut', texts.length === 0, texts);
}

async function surfaces(workshop: Workshop, gateway: Gateway): Promise<void> {
  const told = (name: string, bytes: Buffer) => {
    const facts = imageFactsFromBytes(bytes);
    workshop.tell(`an image by ${name}`, facts?.width === 64 && facts.height === 64, facts);
  };
  told('the native surface', await imageOf(gateway, { prompt: 'a green hill' }));
  const client = new OpenAI({ baseURL: `${gateway.origin}/v1`, apiKey: 'igk_none' });
  const { data } = await client.images.generate({ prompt: 'a green hill' });
  told('the openai client', Buffer.from(data?.[0]?.b64_json ?? '', 'base64'));
  const created = await gateway.fetch('/foundationModels/v1/imageGenerationAsync', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      modelUri: 'art://folder/yandex-art/latest',
      messages: [{ text: 'a green hill' }],
    }),
  });
  const { id } = (await created.json()) as { id: string };
  const kept = await gateway.fetch(`/operations/${id}/image?wait=60`);
  await kept.arrayBuffer();
  const shown = await gateway.fetch(`/foundationModels/v1/operations/${id}`);
  const operation = (await shown.json()) as { response?: { image: string } };
  told("the vendor's REST API", Buffer.from(operation.response?.image ?? '', 'base64'));
}

async function commands(workshop: Workshop, gateway: Gateway, tap: CountingTap): Promise<void> {
  const before = tap.posts();
  for (const [name, text] of Object.entries(variants)) {
    const response = await gateway.create({ prompt: `a red cat ${text}` }, { accept: 'image/*' });
    const { code } = (await response.json().catch(() => ({}))) as { code?: string };
    workshop.tell(`refused before it is sent: the command ${name}`, response.status === 400, {
      status: response.status,
      code,
    });
  }
  const sent = tap.posts() - before;
  workshop.tell('none of them reached it', sent === 0, `${sent} POSTs`);
}
