import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import type { GatewayError } from '../errors/gateway-error.ts';
import type { LimitState } from '../operations/create/admission.ts';
import type { JsonWithBytes } from '../translation/json-value.ts';
import { openAiError } from '../schemas/error-forms/openai-form.ts';
import { partsFromJson, piecesOf, sendJsonWithBytes } from './json-with-bytes.ts';
import type { SucceededSnapshot } from './image-response.ts';
import { rateLimitHeaders } from './rate-limit-headers.ts';

/** One image of a response, or the error that stands for it. */
export type OpenAiOutcome =
  | {
      readonly snapshot: SucceededSnapshot;
      /** The bytes, or where they are. */
      readonly image: Uint8Array | string;
    }
  | { readonly error: GatewayError };

export interface OpenAiResponse {
  readonly outcomes: readonly OpenAiOutcome[];
  readonly modelUri: string;
  readonly createdAtMs: number;
}

/** 200 with the images that were made, and the errors of the others. */
export function sendOpenAiImages(reply: FastifyReply, response: OpenAiResponse): FastifyReply {
  const made = response.outcomes.flatMap((outcome) => ('error' in outcome ? [] : [outcome]));
  const errors = response.outcomes.flatMap((outcome, index) =>
    'error' in outcome
      ? [{ index, code: outcome.error.reason, message: outcome.error.detail }]
      : [],
  );
  const [first] = made;
  return sendJsonWithBytes(reply.header('cache-control', 'no-store'), {
    created: Math.floor(response.createdAtMs / 1000),
    id: first?.snapshot.id ?? '',
    model: response.modelUri,
    ...(first !== undefined && factsOf(first.snapshot)),
    ...(errors.length > 0 && { errors }),
    data: made.map(({ snapshot, image }) => ({ ...imageField(image), ...originOf(snapshot) })),
  });
}

/** The bytes or the link, under the name that OpenAI gives it. */
function imageField(image: Uint8Array | string): Readonly<Record<string, JsonWithBytes>> {
  return typeof image === 'string' ? { url: image } : { b64_json: image };
}

/** The seed it was made from, if seeds count, and the operation that made it. */
function originOf({ seed, id, rendering }: SucceededSnapshot) {
  const isItsSeed = rendering?.seedApplied !== false;
  return { ...(isItsSeed && { seed: String(seed) }), operation_id: id };
}

/** Nothing is counted in tokens. Whole by OpenAI's types: typed clients drop an image without it. */
const noUsage = {
  input_tokens: 0,
  input_tokens_details: { image_tokens: 0, text_tokens: 0 },
  output_tokens: 0,
  total_tokens: 0,
};

const heartbeatMs = 15_000;

/**
 * Sends one image as server-sent events in OpenAI's form. The type of an event
 * stands both in its `event:` line and in its data: clients read either.
 */
export function sendOpenAiEvents(
  reply: FastifyReply,
  options: { readonly outcome: Promise<OpenAiOutcome>; readonly createdAtMs: number },
): FastifyReply {
  return reply
    .header('content-type', 'text/event-stream; charset=utf-8')
    .header('cache-control', 'no-store, no-transform')
    .header('x-accel-buffering', 'no')
    .send(Readable.from(eventPieces(options), { objectMode: false }));
}

async function* eventPieces({
  outcome,
  createdAtMs,
}: {
  readonly outcome: Promise<OpenAiOutcome>;
  readonly createdAtMs: number;
}): AsyncGenerator<string | Buffer> {
  yield ': accepted\n\n';
  let result: OpenAiOutcome | 'heartbeat' = 'heartbeat';
  while (result === 'heartbeat') {
    result = await firstOf(outcome);
    if (result === 'heartbeat') yield ': hb\n\n';
  }
  if ('error' in result) {
    const data = JSON.stringify({ type: 'error', error: openAiError(result.error) });
    yield `event: error\ndata: ${data}\n\n`;
    return;
  }
  const { snapshot, image } = result;
  const type = 'image_generation.completed';
  const parts = partsFromJson({
    type,
    created_at: Math.floor(createdAtMs / 1000),
    // Stays where the bytes do not say their size.
    size: 'auto',
    ...factsOf(snapshot),
    quality: 'auto',
    background: 'opaque',
    ...originOf(snapshot),
    usage: noUsage,
    ...imageField(image),
  });
  yield `event: ${type}\ndata: `;
  yield* piecesOf(parts);
  yield '\n\n';
}

function firstOf(outcome: Promise<OpenAiOutcome>): Promise<OpenAiOutcome | 'heartbeat'> {
  let timer: NodeJS.Timeout | undefined;
  const heartbeat = new Promise<'heartbeat'>((resolve) => {
    timer = setTimeout(() => resolve('heartbeat'), heartbeatMs).unref();
  });
  return Promise.race([outcome, heartbeat]).finally(() => clearTimeout(timer));
}

/** The true size and format, read from the bytes. */
function factsOf({ state: { image } }: SucceededSnapshot) {
  const hasSize = image.width !== undefined && image.height !== undefined;
  return {
    ...(hasSize && { size: `${image.width}x${image.height}` }),
    output_format: image.mediaType.replace('image/', ''),
  };
}

/** The limits in the gateway's own headers, and in OpenAI's. */
export function openAiLimitHeaders(limits: readonly LimitState[]): Record<string, string> {
  const minute = limits.find(({ name }) => name === 'minute') ?? limits[0];
  if (minute === undefined) return {};
  return {
    ...rateLimitHeaders(limits),
    'x-ratelimit-limit-requests': String(minute.quantity),
    'x-ratelimit-remaining-requests': String(minute.remaining),
    'x-ratelimit-reset-requests': `${minute.resetS}s`,
  };
}
