import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openRenderer } from '../../src/app-renderer.ts';
import { serviceSettingsFromEnvironment } from '../../src/config/service-settings.ts';
import { settingsFromEnvironment } from '../../src/config/settings-from-environment.ts';
import { checkedSettings } from '../../src/settings-check.ts';
import type { Renderer } from '../../src/renderers/renderer.ts';
import { HttpBackend, jsonResponse, rawResponse } from '../renderers/http-backend.ts';
import { attemptOf, request } from '../renderers/openai/renderer-under-test.ts';

let backend: HttpBackend;
let folder: string;
let opened: Renderer[] = [];
let lines: Record<string, unknown>[] = [];
beforeEach(async () => {
  backend = await HttpBackend.listen();
  folder = await mkdtemp(join(tmpdir(), 'renderer-'));
  lines = [];
});
afterEach(async () => {
  await Promise.all(opened.map((renderer) => renderer.close()));
  opened = [];
  await backend.close();
  await rm(folder, { recursive: true });
});

async function open(environment: Readonly<Record<string, string>>): Promise<Renderer> {
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const renderer = await openRenderer(serviceSettingsFromEnvironment(environment), log);
  opened.push(renderer);
  return renderer;
}

/** The first line of the log with these words. */
function line(words: string): Promise<Record<string, unknown>> {
  const found = () => {
    const written = lines.find(({ msg }) => msg === words);
    if (written === undefined) throw new Error(`no line says ${words}`);
    return written;
  };
  return vi.waitFor(found, { timeout: 20_000 });
}

const list = (...ids: string[]): HttpBackend['onGet'] => {
  return (socket) => socket.end(jsonResponse(200, { data: ids.map((id) => ({ id })) }));
};

describe('a start with BACKEND_URL', () => {
  it('says in one line what was found and how money is treated', async () => {
    const renderer = await open({ BACKEND_URL: backend.url });
    expect(await line('backend')).toMatchObject({
      ...{ url: backend.url, dialect: 'generic', model: 'sd-tiny', spend: 'free', concurrency: 1 },
      money: 'asked three times at most',
    });
    expect(renderer).toMatchObject({ name: 'openai', spend: 'free', concurrency: 1 });
    expect(backend.gets.map(({ path }) => path)).toStrictEqual(['/v1/models']);
    expect(backend.posts).toHaveLength(0);
  });

  it('says which setting chooses among several models', async () => {
    backend.onGet = list('sd-tiny', 'llama');
    await open({ BACKEND_URL: backend.url });
    expect(await line('backend')).toMatchObject({
      ...{ model: 'sd-tiny', modelsListed: 2, chooseModelBy: 'BACKEND_MODEL' },
    });
  });

  it.each([
    [{ BACKEND_API_KEY: 'k' }, 'once'],
    [{ BACKEND_API_KEY: 'k', BACKEND_SPEND: 'free' }, 'free'],
    [{ BACKEND_SPEND: 'once' }, 'once'],
    [{}, 'free'],
  ])('with %j takes it for %s', async (environment, spend) => {
    expect(await open({ BACKEND_URL: backend.url, ...environment })).toMatchObject({ spend });
  });

  it('takes https for a sign of a bill', async () => {
    const url = backend.url.replace('http:', 'https:');
    expect(await open({ BACKEND_URL: url })).toMatchObject({ spend: 'once', concurrency: 4 });
  });

  const warning = 'images of this backend cost money and have no limit a day';
  it('warns of a bill without a limit', async () => {
    await open({ BACKEND_URL: backend.url, BACKEND_SPEND: 'once' });
    expect(await line(warning)).toMatchObject({ setting: 'BACKEND_IMAGES_PER_DAY_MAX' });
  });

  it.each<Readonly<Record<string, string>>>([
    { BACKEND_SPEND: 'once', BACKEND_IMAGES_PER_DAY_MAX: '500' },
    { BACKEND_SPEND: 'free' },
  ])('does not warn with %j', async (environment) => {
    await open({ BACKEND_URL: backend.url, ...environment });
    expect(await line('backend')).toBeDefined();
    expect(lines.map(({ msg }) => msg)).not.toContain(warning);
  });

  it('succeeds while the backend is down, and finds it when it is there', async () => {
    const { port, url } = backend;
    await backend.close();
    const renderer = await open({ BACKEND_URL: url });
    expect(await line('backend not found yet')).toMatchObject({
      ...{ url, cause: 'the image model could not be reached (ECONNREFUSED)' },
    });
    expect(renderer.models.map(({ name }) => name)).toStrictEqual(['yandex-art']);
    backend = await HttpBackend.listen(port);
    expect(await line('backend')).toMatchObject({ model: 'sd-tiny' });
    expect(renderer.models.map(({ name }) => name)).toStrictEqual(['sd-tiny', 'yandex-art']);
  });

  it('knows the models when it has started, where the backend is there', async () => {
    const renderer = await open({ BACKEND_URL: backend.url });
    expect(renderer.models.map(({ name }) => name)).toStrictEqual(['sd-tiny', 'yandex-art']);
  });

  it('does not wait for a backend that says nothing', async () => {
    backend.onGet = () => undefined;
    const renderer = await open({ BACKEND_URL: backend.url });
    expect(renderer.models.map(({ name }) => name)).toStrictEqual(['yandex-art']);
  });

  it('says when the credential is refused', async () => {
    backend.onGet = (socket) => socket.end(rawResponse(401, { 'content-length': 0 }));
    await open({ BACKEND_URL: backend.url, BACKEND_API_KEY: 'sk-wrong' });
    expect(await line('backend not found yet')).toMatchObject({
      cause: 'the image model refused the credential',
    });
    expect(JSON.stringify(lines)).not.toContain('sk-wrong');
  });

  it.each([
    ['vllm', { data: [{ id: 'm', owned_by: 'vllm-omni' }] }, {}],
    ['lemonade', { data: [{ id: 'm', owned_by: 'lemonade' }] }, {}],
    ['litellm', { data: [{ id: 'm', owned_by: 'openai' }] }, { 'x-litellm-version': '1' }],
    // As LiteLLM 1.108.7 lists a model.
    ['litellm', { data: [{ id: 'm', created: 1_677_610_602, owned_by: 'openai' }] }, {}],
    ['generic', { data: [{ id: 'm', owned_by: 'someone' }] }, {}],
    ['generic', ['no list'], {}],
    ['generic', 'nothing', {}],
  ])('knows %s by %j %j', async (dialect, body, headers) => {
    backend.onGet = (socket) => socket.end(jsonResponse(200, body, headers));
    await open({ BACKEND_URL: backend.url });
    expect(await line('backend')).toMatchObject({ dialect });
  });

  it('believes the operator more than the backend', async () => {
    backend.onGet = (socket) =>
      socket.end(jsonResponse(200, { data: [{ id: 'm', owned_by: 'vllm' }] }));
    const named = { BACKEND_DIALECT: 'localai', BACKEND_MODEL: 'mine' };
    await open({ BACKEND_URL: backend.url, ...named });
    expect(await line('backend')).toMatchObject({
      ...{ dialect: 'localai', model: 'mine', isModelListed: false },
    });
  });

  it('fails where a dialect needs a model and none is named', async () => {
    await expect(open({ BACKEND_URL: 'https://r.openai.azure.com' })).rejects.toThrow(
      'BACKEND_MODEL: is needed for the dialect azure',
    );
  });

  it('fails where a file is not there', async () => {
    const file = join(folder, 'none');
    const none = { BACKEND_URL: backend.url, BACKEND_API_KEY_FILE: file };
    await expect(open(none)).rejects.toThrow(
      'BACKEND_API_KEY_FILE: names a file that does not exist',
    );
    const ca = { BACKEND_URL: 'https://127.0.0.1:1', BACKEND_CA_FILE: file };
    await expect(open(ca)).rejects.toThrow('BACKEND_CA_FILE: names a file that does not exist');
  });
});

describe('a backend whose list is no list, or empty', () => {
  it.each([404, 405])('without a list at %d is asked without a model', async (status) => {
    backend.onGet = (socket) => socket.end(rawResponse(status, { 'content-length': 0 }));
    const renderer = await open({ BACKEND_URL: backend.url });
    await line('backend');
    await renderer.render(renderer.plan(request), attemptOf());
    expect(JSON.parse(backend.posts[0]?.body ?? '')).not.toHaveProperty('model');
  });

  it.each([429, 503])(
    'that is busy with %d is asked for no image without a model',
    async (status) => {
      backend.onGet = (socket) => socket.end(rawResponse(status, { 'content-length': 0 }));
      const renderer = await open({ BACKEND_URL: backend.url });
      expect(await line('backend not found yet')).toMatchObject({
        cause: 'the image model is not ready',
      });
      const render = renderer.render(renderer.plan(request), attemptOf());
      await expect(render).rejects.toMatchObject({ failure: 'not_sent' });
      expect(backend.posts).toHaveLength(0);
    },
  );

  it('that has loaded none yet is waited for', async () => {
    backend.onGet = list();
    const renderer = await open({ BACKEND_URL: backend.url });
    expect(await line('backend not found yet')).toMatchObject({
      cause: 'the backend lists no model yet',
    });
    const plan = renderer.plan(request);
    const early = renderer.render(plan, attemptOf());
    await expect(early).rejects.toMatchObject({ failure: 'not_sent' });
    backend.onGet = list('loaded');
    expect(await renderer.render(plan, attemptOf())).toMatchObject({ modelVersion: 'loaded' });
    expect(backend.posts).toHaveLength(1);
  });
});

describe('--check-config', () => {
  const mistakesOf = (environment: Readonly<Record<string, string>>) =>
    checkedSettings({ DATA_DIR: folder, ...environment }).then(
      () => '',
      (error: unknown) => (error as Error).message,
    );

  it('reads the files of a backend, and asks it nothing', async () => {
    const file = join(folder, 'file');
    await writeFile(file, 'no certificate\n');
    const url = { BACKEND_URL: backend.url };
    expect(await mistakesOf({ ...url, BACKEND_API_KEY_FILE: file })).toBe('');
    const missing = await mistakesOf({ ...url, BACKEND_API_KEY_FILE: join(folder, 'none') });
    expect(missing).toContain('BACKEND_API_KEY_FILE: names a file that does not exist');
    const https = { BACKEND_URL: 'https://127.0.0.1:1', BACKEND_CA_FILE: file };
    expect(await mistakesOf(https)).toContain('BACKEND_CA_FILE: must hold a certificate in PEM');
    expect(await mistakesOf({ BACKEND_URL: 'https://api.together.xyz' })).toContain(
      'BACKEND_MODEL: is needed for the dialect together',
    );
    expect(backend.connections).toBe(0);
  });
});

describe('a render', () => {
  it('has the key that the file holds then, and the further headers', async () => {
    const file = join(folder, 'key');
    await writeFile(file, 'first\n');
    const renderer = await open({
      ...{ BACKEND_URL: backend.url, BACKEND_API_KEY_FILE: file, BACKEND_AUTH: 'header:X-Key' },
      ...{ BACKEND_HEADERS: 'OpenAI-Project=b1g,X-Team=a b', BACKEND_PARAMS: '{"steps":4}' },
    });
    await renderer.render(renderer.plan(request), attemptOf());
    await writeFile(file, 'second\n');
    await renderer.render(renderer.plan(request), attemptOf());
    expect(backend.posts.map(({ headers }) => headers['x-key'])).toStrictEqual(['first', 'second']);
    expect(backend.posts[0]?.headers).toMatchObject({ 'openai-project': 'b1g', 'x-team': 'a b' });
    expect(JSON.parse(backend.posts[0]?.body ?? '')).toMatchObject({ steps: 4, n: 1 });
    await rm(file);
    await expect(renderer.render(renderer.plan(request), attemptOf())).rejects.toMatchObject({
      failure: 'not_sent',
    });
    expect(backend.posts).toHaveLength(2);
  });

  it('asks for the model first where none is known, and for no image until it is', async () => {
    let isUp = false;
    backend.onGet = (socket, received) => {
      if (isUp) list('late')(socket, received);
      else socket.resetAndDestroy();
    };
    const renderer = await open({ BACKEND_URL: backend.url });
    expect(await line('backend not found yet')).toBeDefined();
    const plan = renderer.plan(request);
    await expect(renderer.render(plan, attemptOf())).rejects.toMatchObject({ failure: 'not_sent' });
    isUp = true;
    expect(await renderer.render(plan, attemptOf())).toMatchObject({ modelVersion: 'late' });
    expect(JSON.parse(backend.posts[0]?.body ?? '')).toMatchObject({ model: 'late' });
    expect(backend.posts).toHaveLength(1);
  });
});

describe('settings of a backend', () => {
  const mistakes = (environment: Readonly<Record<string, string>>) => {
    try {
      serviceSettingsFromEnvironment(environment);
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  const url = { BACKEND_URL: 'http://127.0.0.1:8000' };

  it.each<readonly [Readonly<Record<string, string>>, string]>([
    [{ BACKEND_URL: '127.0.0.1:8000' }, 'BACKEND_URL: must be an http or https URL'],
    [{ BACKEND_URL: 'http://user:pw@x' }, 'BACKEND_URL: must be'],
    [{ BACKEND_URL: 'ftp://x' }, 'BACKEND_URL: must be'],
    [{ BACKEND_MODEL: 'sd' }, 'BACKEND_MODEL: needs BACKEND_URL'],
    [{ ...url, BACKEND_API_KEY: 'k', BACKEND_API_KEY_FILE: 'f' }, 'set one of them'],
    [{ ...url, BACKEND_DIALECT: 'ollama' }, 'BACKEND_DIALECT: must be auto, generic'],
    [{ ...url, BACKEND_AUTH: 'digest' }, 'BACKEND_AUTH: must be bearer'],
    [{ ...url, BACKEND_AUTH: 'header:a b' }, 'BACKEND_AUTH: must be bearer'],
    [{ ...url, BACKEND_HEADERS: 'Authorization=x' }, 'BACKEND_HEADERS: must be Name=value'],
    [{ ...url, BACKEND_HEADERS: 'X-A' }, 'BACKEND_HEADERS: must be Name=value'],
    [{ ...url, BACKEND_PARAMS: '[]' }, 'BACKEND_PARAMS: must be a JSON object'],
    [{ ...url, BACKEND_PARAMS: '{"n":4}' }, 'BACKEND_PARAMS: must not hold prompt, n'],
    [{ ...url, BACKEND_PARAMS: '{"batch_size":4}' }, 'BACKEND_PARAMS: must not hold'],
    [{ ...url, BACKEND_SPEND: 'findable' }, 'BACKEND_SPEND: must be free or once'],
    [{ ...url, BACKEND_CA_FILE: 'ca.pem' }, 'BACKEND_CA_FILE: means nothing'],
    [{ ...url, BACKEND_IMAGES_PER_DAY_MAX: '-1' }, 'BACKEND_IMAGES_PER_DAY_MAX: must be'],
    [{ ...url, BACKEND_TIMEOUT_MS: '5' }, 'BACKEND_TIMEOUT_MS: must be'],
    [{ ...url, BACKEND_PROMPT_SYNTAX: 'raw' }, 'BACKEND_PROMPT_SYNTAX: must be plain or allow'],
  ])('%j are refused', (environment, words) => {
    expect(mistakes(environment)).toContain(words);
  });

  it('are refused in a gateway whose upstream is elsewhere', () => {
    const environment = { ...url, UPSTREAM_ADDRESS: 'http://127.0.0.1:50051' };
    expect(() => settingsFromEnvironment(environment)).toThrow(
      'BACKEND_URL: is for the embedded service',
    );
    expect(settingsFromEnvironment(url).BACKEND_URL?.href).toBe('http://127.0.0.1:8000/');
  });
});
