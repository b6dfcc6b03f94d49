import { appendFileSync } from 'node:fs';
import type { FastifyInstance, FastifyRequest } from 'fastify';

/** Shorter ones are found in any text. */
const lengthMin = 8;

/** How many secrets of one gateway were looked for, and in how many places. */
export interface LeakCount {
  /** Credentials, keys, tokens, signatures and prompts that it was given. */
  readonly secrets: number;
  readonly logLines: number;
  /** Responses whose headers and text were searched. */
  readonly responses: number;
  /** Lines of /metrics. */
  readonly metricsLines: number;
  readonly hits: number;
}

/** The secrets and prompts of one gateway, collected from its requests and looked for in responses, log lines and metrics. */
export class LeakCheck {
  /** Where every gateway of a run leaves its count, one JSON a line; unset, nothing is counted. */
  static readonly countsFile = process.env['LEAK_COUNTS_FILE'];
  readonly #secrets = new Set<string>();
  /** Of the gateway itself: no caller may ever see them. */
  readonly #own: readonly string[];
  #responses = 0;
  #responsesWithSecrets = 0;

  /** @param environment Settings of the gateway: those that hold secrets are watched for. */
  constructor(environment: Readonly<Record<string, string>>) {
    this.#own = Object.entries(environment)
      .filter(([name]) => /(?:SECRET|API_KEY|IAM_TOKEN)(?:_PREVIOUS)?$/.test(name))
      .map(([, value]) => value)
      .filter(({ length }) => length >= lengthMin);
    for (const value of this.#own) this.#add(value);
  }

  /** Watches every request: credentials, keys, tokens, prompts; and that no response shows those of its request. */
  watch(server: FastifyInstance, violations: string[]): void {
    server.addHook('preHandler', async (request) => this.#collect(request));
    server.addHook('onSend', async (request, reply, payload) => {
      const own = [...credentialsOf(request), ...promptsOf(request.body), ...this.#own];
      const hidden = own.filter(({ length }) => length >= lengthMin);
      const shown = `${JSON.stringify(reply.getHeaders())}${typeof payload === 'string' ? payload : ''}`;
      this.#responses += 1;
      if (hidden.some((secret) => shown.includes(secret))) {
        this.#responsesWithSecrets += 1;
        violations.push(
          `${request.method} ${request.routeOptions.url}: the response shows a credential or a prompt`,
        );
      }
      return payload;
    });
  }

  /** Log lines and lines of /metrics that hold something they should not, with what it was. */
  violations(logLines: readonly string[], metrics = ''): readonly string[] {
    const places = { 'a log line': logLines.join(''), 'a metric': metrics };
    const found = Object.entries(places).flatMap(([place, text]) =>
      [...this.#secrets]
        .filter((secret) => text.includes(secret))
        .map((secret) => `${place} holds ${secret}`),
    );
    if (LeakCheck.countsFile !== undefined) {
      const count: LeakCount = {
        secrets: this.#secrets.size,
        logLines: logLines.length,
        responses: this.#responses,
        metricsLines: metrics.split('\n').length - 1,
        hits: found.length + this.#responsesWithSecrets,
      };
      // One short line at the end of a file: workers that write at once do not mix theirs.
      appendFileSync(LeakCheck.countsFile, `${JSON.stringify(count)}\n`);
    }
    return found;
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
