import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RendererError } from '../../../src/renderers/renderer.ts';
import {
  HttpBackend,
  imageBody,
  jsonResponse,
  png,
  rawResponse,
  type Script,
} from '../http-backend.ts';
import { attemptOf, outcomeOf, rendererFor, request } from './renderer-under-test.ts';

let backend: HttpBackend;
beforeEach(async () => {
  backend = await HttpBackend.listen();
});
afterEach(() => backend.close());

/** Ends with these bytes. */
const sends =
  (...parts: readonly (Buffer | string)[]): Script =>
  (socket) => {
    for (const part of parts) socket.write(part);
    socket.end();
  };
const json = (status: number, body: unknown, headers = {}) =>
  sends(jsonResponse(status, body, headers));
const resets: Script = (socket) => socket.resetAndDestroy();

async function failureOf(script: Script, options = {}): Promise<RendererError> {
  backend.onPost = script;
  const outcome = await outcomeOf(rendererFor(backend.url, options));
  if (!(outcome instanceof RendererError)) throw new Error('there is an image');
  return outcome;
}

const spent = { isSpent: true };
const torn = (bytes: Buffer, part: number) => bytes.subarray(0, Math.floor(bytes.length * part));
const jpegHead = Buffer.from(
  'ffd8ffe000104a46494600010100000100010000ffc0000b080010001001011100',
  'hex',
);
const chunked = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;

/** Everything that a successful status may carry and that is no image. */
const noImages: readonly (readonly [string, Script])[] = [
  [
    'HTML',
    sends(
      rawResponse(
        200,
        { 'content-type': 'text/html', 'content-length': 19 },
        '<html>busy</html>\r\n',
      ),
    ),
  ],
  ['an empty body', sends(rawResponse(200, { 'content-length': 0 }))],
  ['a 204', sends(rawResponse(204, {}))],
  ['no list', json(200, { created: 1 })],
  ['an entry without an image', json(200, { data: [{ revised_prompt: 'x' }] })],
  ['an entry that is none', json(200, { data: [7] })],
  ['broken base64', json(200, { data: [{ b64_json: 'iVBORw0KGgo*AAAA' }] })],
  [
    'base64 of one character too many',
    json(200, { data: [{ b64_json: `${png().subarray(0, 150).toString('base64')}A` }] }),
  ],
  [
    'base64 of a text',
    json(200, { data: [{ b64_json: Buffer.from('no image at all').toString('base64') }] }),
  ],
  ['an SVG', json(200, imageBody(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')))],
  [
    'an SVG as itself',
    sends(rawResponse(200, { 'content-type': 'image/svg+xml', 'content-length': 6 }, '<svg/>')),
  ],
  [
    'HTML as a data URL',
    json(200, {
      data: [{ url: `data:text/html;base64,${Buffer.from('<html>').toString('base64')}` }],
    }),
  ],
  [
    'a GIF',
    json(
      200,
      imageBody(
        Buffer.from(
          '47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b',
          'hex',
        ),
      ),
    ),
  ],
  ['a PNG bomb', json(200, imageBody(png(16, 16, { width: 60_000, height: 60_000 })))],
  [
    'a PNG bomb within each side',
    json(200, imageBody(png(16, 16, { width: 16_000, height: 16_000 }))),
  ],
  ['a torn PNG', json(200, imageBody(torn(png(64, 64), 0.9)))],
  ['a PNG without its end', json(200, imageBody(png(64, 64).subarray(0, -12)))],
  ['a torn JPEG', json(200, imageBody(jpegHead))],
  [
    'a torn WebP',
    json(200, imageBody(Buffer.from('RIFF\u0030\u0000\u0000\u0000WEBPVP8X', 'latin1'))),
  ],
  [
    'gzip',
    sends(
      rawResponse(
        200,
        {
          'content-encoding': 'gzip',
          'content-length': gzipSync(JSON.stringify(imageBody(png()))).length,
        },
        gzipSync(JSON.stringify(imageBody(png()))),
      ),
    ),
  ],
];

describe('a 200 that holds no usable image is paid for, and is asked for once:', () => {
  it.each(noImages)('%s', async (_, script) => {
    const { failure, options } = await failureOf(script);
    expect({ failure, options }).toMatchObject({ failure: 'no_image', options: spent });
    expect(backend.posts).toHaveLength(1);
  });

  it('an endless body is cut at the bound', async () => {
    let sent = 0;
    const block = Buffer.alloc(65_536, 0x41);
    const { failure } = await failureOf((socket) => {
      socket.write(
        'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{"data":[{"b64_json":"',
      );
      const more = () => {
        while (socket.writable && !socket.destroyed) {
          sent += block.length;
          if (!socket.write(block)) return;
        }
      };
      socket.on('drain', more);
      more();
    });
    expect(failure).toBe('no_image');
    // The bound of the image as base64, a MiB around it, and what sockets hold.
    expect(sent).toBeLessThan(16_777_216);
    expect(backend.posts).toHaveLength(1);
  });

  it('base64 of 1 GiB is not read', async () => {
    const { failure, options } = await failureOf((socket) => {
      socket.write(
        `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${2 ** 30}\r\n\r\n`,
      );
      socket.write('{"data":[{"b64_json":"');
      const block = Buffer.alloc(1_048_576, 0x41);
      const more = () => {
        while (!socket.destroyed && socket.write(block));
      };
      socket.on('drain', more);
      more();
    });
    expect({ failure, options }).toMatchObject({ failure: 'no_image', options: spent });
  });

  it.each([
    ['an empty list', { data: [] }],
    ['respect_moderation: false', { data: [{ url: 'https://x/y', respect_moderation: false }] }],
    ['respect_moderation: false above the list', { data: [{}], respect_moderation: false }],
  ])('%s is moderation', async (_, body) => {
    const { failure, message, options } = await failureOf(json(200, body));
    expect({ failure, options }).toMatchObject({ failure: 'moderated', options: spent });
    expect(message).toContain('for its content');
    expect(backend.posts).toHaveLength(1);
  });
});

describe('a response that never comes, or not whole, leaves the end unknown, and is asked for once:', () => {
  it.each<readonly [string, Script]>([
    ['a reset at once', resets],
    ['an end at once', (socket) => socket.end()],
    [
      'a 101',
      sends(
        'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
      ),
    ],
    ['no HTTP', sends('SSH-2.0-OpenSSH_9.6\r\n')],
    ['a head of 100 KiB', sends(`HTTP/1.1 200 OK\r\nx: ${'a'.repeat(102_400)}\r\n\r\n`)],
    [
      'a length that is more than comes',
      sends('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"data":'),
    ],
    [
      'a chunk that does not end',
      sends('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n', chunked('{"data":[]}')),
    ],
    ['a body that is cut and has no length', sends('HTTP/1.1 200 OK\r\n\r\n{"data":[{"b64_js')],
    [
      'an interim response and a reset',
      (socket) => {
        socket.write('HTTP/1.1 103 Early Hints\r\n\r\n', () =>
          setImmediate(() => resets(socket, backend.posts[0]!)),
        );
      },
    ],
  ])('%s', async (_, script) => {
    const { failure, options } = await failureOf(script);
    expect({ failure, options }).toMatchObject({
      failure: 'unknown',
      options: { lossCause: 'reset', attemptsMax: 3 },
    });
    expect(backend.posts).toHaveLength(1);
  });

  it('silence', async () => {
    const { failure, options } = await failureOf(() => undefined, { timeoutMs: 1_500 });
    expect({ failure, options }).toMatchObject({
      failure: 'unknown',
      options: { lossCause: 'timeout', attemptsMax: 1 },
    });
    expect(backend.posts).toHaveLength(1);
  });

  it('a body that stands still', async () => {
    const { failure, options } = await failureOf(
      (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{'),
      { timeoutMs: 1_500 },
    );
    expect({ failure, options }).toMatchObject({
      failure: 'unknown',
      options: { lossCause: 'timeout' },
    });
  });

  it('our own stop', async () => {
    const stop = new AbortController();
    backend.onPost = () => stop.abort();
    const outcome = await outcomeOf(rendererFor(backend.url), attemptOf(stop.signal));
    expect(outcome).toMatchObject({ failure: 'unknown' });
    expect(backend.posts).toHaveLength(1);
  });
});

describe('a response that is cut at any byte', () => {
  const whole = jsonResponse(200, imageBody(png(2, 2)), { 'x-request-id': 'r-1' });

  it.each(['reset', 'end'] as const)(
    'by a %s is one POST and no image',
    async (how) => {
      const renderer = rendererFor(backend.url);
      for (let at = 0; at < whole.length; at += 1) {
        backend.onPost = (socket) => {
          if (at === 0) return how === 'reset' ? resets(socket, backend.posts[0]!) : socket.end();
          socket.write(whole.subarray(0, at), () =>
            how === 'reset' ? socket.resetAndDestroy() : socket.end(),
          );
        };
        expect(await outcomeOf(renderer), `byte ${at}`).toMatchObject({
          failure: 'unknown',
          options: { lossCause: 'reset' },
        });
        expect(backend.posts).toHaveLength(at + 1);
      }
      backend.onPost = (socket) => socket.end(whole);
      expect(await outcomeOf(renderer)).toMatchObject({ mediaType: 'image/png', requestId: 'r-1' });
      expect(backend.connections).toBe(whole.length + 1);
    },
    120_000,
  );
});

describe('a status', () => {
  it.each([
    [400, {}, { failure: 'refused' }],
    [401, {}, { failure: 'credential' }],
    [402, {}, { failure: 'quota' }],
    [403, {}, { failure: 'credential' }],
    [404, {}, { failure: 'misconfigured' }],
    [405, {}, { failure: 'misconfigured' }],
    [408, {}, { failure: 'unknown', options: { lossCause: 'status', attemptsMax: 1 } }],
    [409, {}, { failure: 'unknown', options: { lossCause: 'status', attemptsMax: 1 } }],
    [425, {}, { failure: 'unknown', options: { attemptsMax: 1 } }],
    [429, {}, { failure: 'busy' }],
    [500, {}, { failure: 'unknown', options: { lossCause: 'status', attemptsMax: 2 } }],
    [502, {}, { failure: 'unknown', options: { attemptsMax: 3 } }],
    [503, { 'retry-after': 1 }, { failure: 'unknown', options: { attemptsMax: 3 } }],
    [504, {}, { failure: 'unknown', options: { attemptsMax: 3 } }],
    [301, { location: '/elsewhere' }, { failure: 'misconfigured' }],
    [307, { location: 'http://169.254.169.254/' }, { failure: 'misconfigured' }],
  ])('of %d with %j is one POST and its own end', async (status, headers, expected) => {
    const ids = { 'x-request-id': 'req-77' };
    const outcome = await failureOf(
      json(status, { error: { message: 'no' } }, { ...headers, ...ids }),
    );
    expect(outcome).toMatchObject({
      ...expected,
      options: { ...('options' in expected ? expected.options : {}), requestId: 'req-77' },
    });
    expect(backend.posts).toHaveLength(1);
    expect(backend.gets).toHaveLength(0);
  });

  it('with an endless body counts as it is', async () => {
    const { failure } = await failureOf((socket) => {
      socket.write('HTTP/1.1 400 Bad\r\ncontent-type: text/plain\r\n\r\n');
      const more = () => {
        while (!socket.destroyed && socket.write(Buffer.alloc(65_536, 0x41)));
      };
      socket.on('drain', more);
      more();
    });
    expect(failure).toBe('refused');
  });
});

describe('a request that was not sent', () => {
  it('is known where no one listens', async () => {
    const { url } = backend;
    await backend.close();
    expect(await outcomeOf(rendererFor(url))).toMatchObject({ failure: 'not_sent' });
  });

  it('is known where the server speaks no TLS', async () => {
    const renderer = rendererFor(backend.url.replace('http:', 'https:'));
    expect(await outcomeOf(renderer)).toMatchObject({ failure: 'not_sent' });
    expect(backend.posts).toHaveLength(0);
  });

  it('is known where the name has no address', async () => {
    expect(await outcomeOf(rendererFor('http://no-such-host.invalid'))).toMatchObject({
      failure: 'not_sent',
    });
  });
});

describe('a connection', () => {
  it('is used for one request, so that none is sent on one that was closed meanwhile', async () => {
    const renderer = rendererFor(backend.url);
    // Says that it keeps the connection, and lets it go when the next request comes.
    backend.onPost = (socket) => {
      socket.write(jsonResponse(200, imageBody(png()), { connection: 'keep-alive' }));
      socket.once('data', () => socket.resetAndDestroy());
    };
    for (let round = 1; round <= 3; round += 1) {
      expect(await outcomeOf(renderer)).toMatchObject({ mediaType: 'image/png' });
      expect([backend.posts.length, backend.connections]).toStrictEqual([round, round]);
    }
  });

  it('takes an image that ends where the connection does', async () => {
    backend.onPost = sends(
      'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n',
      JSON.stringify(imageBody(png())),
    );
    expect(await outcomeOf(rendererFor(backend.url))).toMatchObject({ mediaType: 'image/png' });
  });
});

it('the words of a refusal come without the prompt, the key and the address', async () => {
  const { message } = await failureOf(
    json(400, {
      error: {
        message: `"${request.prompt}" with sk-secret-key at ${new URL(backend.url).host}: bad size`,
      },
    }),
    { readKey: async () => 'sk-secret-key' },
  );
  expect(message).toBe('the image model refused: "…" with … at …: bad size');
});
