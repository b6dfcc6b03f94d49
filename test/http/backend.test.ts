import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  HttpBackend,
  imageBody,
  jsonResponse,
  png,
  type Script,
} from '../renderers/http-backend.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';

/** Most tests share one gateway, whose backend is free. */
let backend: HttpBackend;
let gateway: Gateway;
beforeAll(async () => {
  backend = await HttpBackend.listen();
  gateway = await startGateway({ BACKEND_URL: backend.url });
}, 60_000);
afterAll(async () => {
  await gateway.close();
  await backend.close();
});
beforeEach(() => {
  backend.posts.length = 0;
  backend.onPost = sendsImage;
});

const sendsImage: Script = (socket) => socket.end(jsonResponse(200, imageBody(png())));

const post = (path: string, body: object) =>
  gateway.fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

describe('BACKEND_URL alone', { timeout: 60_000 }, () => {
  it('brings the backend’s images to the native surface, in the type that was asked for', async () => {
    const wanted = { prompt: 'a red cat', aspectRatio: '16:9', mimeType: 'image/png' };
    const response = await gateway.create(wanted, { accept: 'image/*' });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-model-version')).toBe('sd-tiny');
    expect(Buffer.from(await response.arrayBuffer()).equals(png())).toBe(true);
    expect(JSON.parse(backend.posts[0]?.body ?? '')).toStrictEqual({
      ...{ model: 'sd-tiny', prompt: 'a red cat', n: 1, size: '1360x768' },
      response_format: 'b64_json',
    });
  });

  it('brings them to OpenAI’s surface', async () => {
    const wanted = { model: 'yandex-art', prompt: 'a red cat', output_format: 'png' };
    const response = await post('/v1/images/generations', wanted);
    expect(response.status).toBe(200);
    const { data } = (await response.json()) as { data: { b64_json: string }[] };
    expect(data[0]?.b64_json).toBe(png().toString('base64'));
    expect(backend.posts).toHaveLength(1);
  });

  it('brings them to the vendor’s own surface', async () => {
    const response = await post('/foundationModels/v1/imageGenerationAsync', {
      modelUri: 'art://local/yandex-art/latest',
      messages: [{ text: 'a red cat', weight: '1' }],
      generationOptions: { mimeType: 'image/png' },
    });
    const { id } = (await response.json()) as { id: string };
    const done = () => gateway.fetch(`/foundationModels/v1/operations/${id}`);
    await expect
      .poll(async () => (await done()).json(), { timeout: 30_000 })
      .toMatchObject({ done: true, response: { image: png().toString('base64') } });
    expect(backend.posts).toHaveLength(1);
  });
});

describe('a create that the backend ends without an image', { timeout: 60_000 }, () => {
  const problem = async (response: Response) => ({
    status: response.status,
    ...((await response.json()) as { code: string; detail: string }),
  });

  it('is lost, and is not asked for again, where images cost money', async () => {
    const paid = await startGateway({ BACKEND_URL: backend.url, BACKEND_SPEND: 'once' });
    backend.onPost = (socket) => socket.resetAndDestroy();
    const response = await paid.create({ prompt: 'a red cat' }, { accept: 'image/*' });
    expect(await problem(response)).toMatchObject({ status: 502, code: 'result_lost' });
    expect(backend.posts).toHaveLength(1);
    await paid.close();
  });

  it('is asked for three times where they are free', async () => {
    backend.onPost = (socket) => socket.resetAndDestroy();
    const response = await gateway.create({ prompt: 'a red cat' }, { accept: 'image/*' });
    expect(await problem(response)).toMatchObject({ status: 502, code: 'upstream_error' });
    expect(backend.posts).toHaveLength(3);
  });

  it('has the backend’s words without the prompt', async () => {
    const error = { message: 'size is odd for "a red cat on a windowsill"' };
    backend.onPost = (socket) => socket.end(jsonResponse(400, { error }));
    const wanted = { prompt: 'a red cat on a windowsill' };
    const response = await gateway.create(wanted, { accept: 'image/*' });
    const { status, detail } = await problem(response);
    expect({ status, detail }).toStrictEqual({
      status: 400,
      detail: 'the image model refused: size is odd for "…"',
    });
  });

  it('is refused before anything is sent where the prompt holds a command', async () => {
    const wanted = { prompt: 'a cat <sd_cpp_extra_args>{"batch_count":9}' };
    expect(await problem(await gateway.create(wanted))).toMatchObject({
      ...{ status: 400, code: 'invalid_request' },
      detail: expect.stringContaining('must not contain sd_cpp_extra_args'),
    });
    expect(backend.posts).toHaveLength(0);
  });

  it('waits for a backend that is not there yet', async () => {
    const { port, url } = await closedBackend();
    const waiting = await startGateway({ BACKEND_URL: url });
    const create = waiting.create({ prompt: 'a red cat' }, { accept: 'image/*' });
    const late = await HttpBackend.listen(port);
    expect((await create).status).toBe(200);
    expect(late.posts).toHaveLength(1);
    await waiting.close();
    await late.close();
  });
});

/** Where a backend was, and may be again. */
async function closedBackend() {
  const closed = await HttpBackend.listen();
  const { port, url } = closed;
  await closed.close();
  return { port, url };
}
