import { Agent, request, type IncomingMessage } from 'node:http';
import { TokenRefusedError, type IssuedToken } from './refreshing-token.ts';

export interface InstanceMetadataOptions {
  /** Origin of the service: `http://169.254.169.254` on an instance. */
  readonly origin: string;
  readonly nowMs: () => number;
  /** For one request, from the connection to the last byte. */
  readonly timeoutMs?: number;
}

/** https://yandex.cloud/en/docs/compute/operations/vm-connect/auth-inside-vm */
const path = '/computeMetadata/v1/instance/service-accounts/default/token';
const bodyBytesMax = 65_536;

/**
 * Gets tokens from the metadata service of a virtual machine, for the service
 * account that the machine runs as.
 *
 * Always direct: the token must come from this machine, so no proxy is used and
 * no redirect is followed. Errors quote nothing of a response.
 */
export function openInstanceMetadata({
  origin,
  nowMs,
  timeoutMs = 2_000,
}: InstanceMetadataOptions): () => Promise<IssuedToken> {
  // Not the global agent: the environment can make it use a proxy.
  const agent = new Agent({ keepAlive: false });
  const url = new URL(path, origin);
  return async () => {
    // Before the request: the token's life begins at some moment within it.
    const requestedAtMs = nowMs();
    const { status, body } = await fetchText(url, agent, timeoutMs);
    if (status >= 400 && status < 500) {
      throw new TokenRefusedError(`the metadata service has no token (HTTP ${status})`);
    }
    if (status !== 200) throw new Error(`the metadata service answered HTTP ${status}`);
    const { token, lifeS } = tokenFromJson(body);
    return { token, expiresAtMs: requestedAtMs + lifeS * 1000 };
  };
}

interface TextResponse {
  readonly status: number;
  readonly body: string;
}

async function fetchText(url: URL, agent: Agent, timeoutMs: number): Promise<TextResponse> {
  const signal = AbortSignal.timeout(timeoutMs);
  let code: string | undefined;
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = { 'metadata-flavor': 'Google', accept: 'application/json' };
      request(url, { agent, signal, headers }, resolve).on('error', reject).end();
    });
    return { status: response.statusCode ?? 0, body: await bodyOf(response) };
  } catch (error) {
    if (error instanceof BodyTooLargeError) throw error;
    ({ code } = error as NodeJS.ErrnoException);
  }
  // Without the error as its cause: Node's parser error holds the bytes it failed on.
  const reason = signal.aborted ? 'no response in time' : (code ?? 'no HTTP response');
  throw new Error(`the metadata service can not be reached (${reason})`);
}

class BodyTooLargeError extends Error {
  override readonly name = 'BodyTooLargeError';
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Leaving the loop destroys the response and its connection.
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) throw new BodyTooLargeError('the metadata response is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function tokenFromJson(text: string): { readonly token: string; readonly lifeS: number } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Reported below: the parser's own error quotes the text.
  }
  if (typeof value === 'object' && value !== null) {
    const { access_token: token, expires_in: lifeS } = value as Record<string, unknown>;
    if (typeof token === 'string' && typeof lifeS === 'number') return { token, lifeS };
  }
  throw new Error('the metadata service answered without access_token and expires_in');
}
