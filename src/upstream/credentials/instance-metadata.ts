import { Agent, request, type IncomingMessage } from 'node:http';
import { TokenRefusedError, type IssuedToken } from './refreshing-token.ts';

export interface InstanceMetadataOptions {
  /** Origin of the service: `http://169.254.169.254` on an instance. */
  readonly origin: string;
  readonly nowMs: () => number;
  /** Of one request, from the connection to the last byte. */
  readonly timeoutMs?: number;
}

/** https://yandex.cloud/en/docs/compute/operations/vm-connect/auth-inside-vm */
const path = '/computeMetadata/v1/instance/service-accounts/default/token';
const answerBytesMax = 65_536;

/**
 * Asks the metadata service of the virtual machine for the token of the service
 * account that the machine runs as.
 *
 * Always direct: a token must come from this machine, so no proxy is used and
 * no redirect followed. Errors quote nothing of an answer.
 */
export function openInstanceMetadata({
  origin,
  nowMs,
  timeoutMs = 2_000,
}: InstanceMetadataOptions): () => Promise<IssuedToken> {
  // Not the global one, which takes a proxy from the environment where Node is told to.
  const agent = new Agent({ keepAlive: false });
  const url = new URL(path, origin);
  return async () => {
    // Before the request: the life that is told begins at some moment within it.
    const askedAtMs = nowMs();
    const { status, body } = await answerOf(url, agent, timeoutMs);
    if (status >= 400 && status < 500) {
      throw new TokenRefusedError(`the instance has no token to give (HTTP ${status})`);
    }
    if (status !== 200) throw new Error(`the metadata service answered HTTP ${status}`);
    const { token, lifeS } = tokenFromJson(body);
    return { token, expiresAtMs: askedAtMs + lifeS * 1000 };
  };
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

async function answerOf(url: URL, agent: Agent, timeoutMs: number): Promise<Answer> {
  const signal = AbortSignal.timeout(timeoutMs);
  let code: string | undefined;
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = { 'metadata-flavor': 'Google', accept: 'application/json' };
      request(url, { agent, signal, headers }, resolve).on('error', reject).end();
    });
    return { status: response.statusCode ?? 0, body: await bodyOf(response) };
  } catch (error) {
    if (error instanceof AnswerTooLargeError) throw error;
    ({ code } = error as NodeJS.ErrnoException);
  }
  // Not with the error as its cause: Node's parser keeps the bytes it stumbled over.
  const why = signal.aborted ? 'no answer in time' : (code ?? 'no HTTP answer');
  throw new Error(`the metadata service can not be asked (${why})`);
}

class AnswerTooLargeError extends Error {
  override readonly name = 'AnswerTooLargeError';
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Leaving the loop destroys the response and its connection.
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > answerBytesMax) throw new AnswerTooLargeError('the metadata answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function tokenFromJson(text: string): { readonly token: string; readonly lifeS: number } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Said below: the parser's own error quotes the answer.
  }
  if (typeof value === 'object' && value !== null) {
    const { access_token: token, expires_in: lifeS } = value as Record<string, unknown>;
    if (typeof token === 'string' && typeof lifeS === 'number') return { token, lifeS };
  }
  throw new Error('the metadata service answered without access_token and expires_in');
}
