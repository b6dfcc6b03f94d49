import type { FastifyInstance, FastifyRequest } from 'fastify';

/** Shorter ones are found in any text. */
const lengthMin = 8;

/** What a run has to keep to itself, collected as it comes by, and looked for in every log line. */
export class LeakCheck {
  readonly #secrets = new Set<string>();

  /** @param environment Settings of the gateway: those that hold secrets are watched for. */
  constructor(environment: Readonly<Record<string, string>>) {
    for (const [name, value] of Object.entries(environment)) {
      if (/(?:SECRET|API_KEY|IAM_TOKEN)(?:_PREVIOUS)?$/.test(name)) this.#add(value);
    }
  }

  /** Watches every request: credentials, keys, tokens, prompts; and that no answer shows a credential. */
  watch(server: FastifyInstance, violations: string[]): void {
    server.addHook('preHandler', async (request) => this.#collect(request));
    server.addHook('onSend', async (request, reply, payload) => {
      const credentials = credentialsOf(request).filter(({ length }) => length >= lengthMin);
      const shown = `${JSON.stringify(reply.getHeaders())}${typeof payload === 'string' ? payload : ''}`;
      if (credentials.some((credential) => shown.includes(credential))) {
        violations.push(
          `${request.method} ${request.routeOptions.url}: the answer shows a credential`,
        );
      }
      return payload;
    });
  }

  /** Log lines that hold something they should not, with what it was. */
  violations(lines: readonly string[]): readonly string[] {
    const text = lines.join('');
    return [...this.#secrets]
      .filter((secret) => text.includes(secret))
      .map((secret) => `a log line holds ${secret}`);
  }

  #collect(request: FastifyRequest): void {
    for (const credential of credentialsOf(request)) this.#add(credential);
    const { body, query } = request;
    const { token } = query as { token?: unknown };
    if (typeof token === 'string') this.#add(token);
    for (const text of promptsOf(body)) this.#add(text);
  }

  #add(secret: string): void {
    if (secret.length >= lengthMin) this.#secrets.add(secret);
  }
}

function credentialsOf({ headers }: FastifyRequest): string[] {
  const { authorization, 'x-api-key': apiKey, 'idempotency-key': key } = headers;
  const [, value = ''] = /^\S+ +(\S+)/.exec(authorization ?? '') ?? [];
  return [value, String(apiKey ?? ''), String(key ?? '')];
}

/** Every text of a body that its caller made up. */
function promptsOf(body: unknown): string[] {
  if (typeof body !== 'object' || body === null) return [];
  const { prompt, messages, negativePrompt } = body as Record<string, unknown>;
  const texts = Array.isArray(messages)
    ? messages.map((message) => (message as { text?: unknown } | null)?.text)
    : [];
  return [prompt, negativePrompt, ...texts].filter((text) => typeof text === 'string');
}
