import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { deflateSync, crc32 } from 'node:zlib';

/** One request as it stood on the wire. */
export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Writes whatever it likes to the socket; what it writes is the response. */
export type Script = (socket: Socket, request: ReceivedRequest) => void;

/**
 * A raw HTTP backend for image models: it counts every POST that arrives, and
 * answers with bytes that a test wrote, right or wrong.
 */
export class HttpBackend {
  readonly posts: ReceivedRequest[] = [];
  readonly gets: ReceivedRequest[] = [];
  connections = 0;
  onPost: Script = (socket) => socket.end(jsonResponse(200, imageBody(png())));
  onGet: Script = (socket) => socket.end(jsonResponse(200, { data: [{ id: 'sd-tiny' }] }));
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.#server = createServer((socket) => this.#serve(socket));
  }

  static async listen(port = 0): Promise<HttpBackend> {
    const backend = new HttpBackend();
    await new Promise<void>((resolve, reject) => {
      backend.#server.once('error', reject);
      backend.#server.listen(port, '127.0.0.1', resolve);
    });
    return backend;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket): void {
    this.connections += 1;
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket)).on('error', () => undefined);
    let received = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      const request = requestFrom(received);
      if (request === undefined) return;
      received = Buffer.alloc(0);
      const isPost = request.method === 'POST';
      (isPost ? this.posts : this.gets).push(request);
      (isPost ? this.onPost : this.onGet)(socket, request);
    });
  }
}

function requestFrom(bytes: Buffer): ReceivedRequest | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const [first = '', ...lines] = bytes.subarray(0, headEnd).toString('latin1').split('\r\n');
  const [method = '', path = ''] = first.split(' ');
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const body = bytes.subarray(headEnd + 4);
  if (body.length < Number(headers['content-length'] ?? 0)) return undefined;
  return { method, path, headers, body: body.toString('utf8') };
}

/** A whole response as bytes. */
export function rawResponse(
  status: number,
  headers: Readonly<Record<string, string | number>>,
  body: Buffer | string = '',
): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `HTTP/1.1 ${status} Status\r\n${lines.join('')}\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(body)]);
}

/** A response with a length, that closes nothing by itself. */
export function jsonResponse(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string | number>> = {},
): Buffer {
  const text = JSON.stringify(body);
  return rawResponse(
    status,
    {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      ...headers,
    },
    text,
  );
}

export function imageBody(bytes: Uint8Array): object {
  return { created: 1, data: [{ b64_json: Buffer.from(bytes).toString('base64') }] };
}

function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

/** A whole PNG of one colour. With `claimed`, its header names another size than its pixels have. */
export function png(
  width = 16,
  height = 16,
  claimed: { readonly width: number; readonly height: number } = { width, height },
): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(claimed.width, 0);
  header.writeUInt32BE(claimed.height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const rows = Buffer.alloc(height * (1 + width * 3), 0x40);
  for (let row = 0; row < height; row += 1) rows[row * (1 + width * 3)] = 0;
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflateSync(rows)),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}
