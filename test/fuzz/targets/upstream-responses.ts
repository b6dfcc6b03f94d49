import fc from 'fast-check';
import type { OperationForm } from '../../../src/operations/operation-id.ts';
import * as raw from '../../support/raw-responses.ts';
import { startRawUpstream, type RawUpstream } from '../../support/raw-upstream.ts';
import { mutatedTexts } from '../byte-mutation.ts';
import {
  anonymousTenant,
  checkResponse,
  openFuzzedGateway,
  sealedIds,
  type FuzzedGateway,
} from '../fuzzed-gateway.ts';
import { openTarget, promise, type FuzzTarget } from '../fuzz-target.ts';
import { realImages } from '../images.ts';
import { createSurfaces } from '../surfaces.ts';
import { upstreamId, wireOperations, wireStatuses } from '../wire-operations.ts';

interface ResponseInput {
  /** The request to the gateway: a create on the surface of this index, or a way to read. */
  readonly ask: 'create' | 'read' | 'image' | 'inline' | 'vendor' | 'cancel';
  readonly surface: number;
  /** The message of the upstream, before framing. */
  readonly message: string;
  readonly frame: { readonly isCompressed: boolean; readonly length: number | null };
  readonly trailers: Readonly<Record<string, string>>;
}

/** Long ago, so that "not found" is final. */
const acceptedAtMs = 1_700_000_000_000;

function responseOf({ message, frame, trailers }: ResponseInput): raw.RawResponse {
  const bytes = Buffer.from(message, 'latin1');
  const { isCompressed, length } = frame;
  const framed = raw.frame(bytes, { isCompressed, length: length ?? bytes.length });
  const isRefusal = raw.refusingCodes.has(Number(trailers['grpc-status'] || Number.NaN));
  return { ...raw.bytes(framed, trailers), isRefusal };
}

const trailers = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Record<string, string>>({ 'grpc-status': '0' }) },
  {
    weight: 1,
    arbitrary: fc
      .record({
        'grpc-status': fc.oneof(
          fc.integer({ min: 0, max: 17 }).map(String),
          fc.constantFrom('banana', '', '-1', '99', '1e1'),
        ),
        'grpc-message': fc.constantFrom(
          '',
          'may violate the terms of usage',
          '%E2%82',
          '%00',
          'a b',
        ),
        'grpc-status-details-bin': mutatedTexts(wireStatuses, { charactersMax: 4_000 }).map(
          (text) => Buffer.from(text, 'latin1').toString('base64'),
        ),
      })
      .map((found) => found as Record<string, string>),
  },
);

const frames = fc.oneof(
  { weight: 8, arbitrary: fc.constant({ isCompressed: false, length: null }) },
  {
    weight: 1,
    arbitrary: fc.record({
      isCompressed: fc.boolean(),
      length: fc.constantFrom(null, 0, 1, 5, 2 ** 31, 2 ** 32 - 1),
    }),
  },
);

/** A gateway with a raw upstream behind it. */
class Conversation {
  readonly #gateway: FuzzedGateway;
  readonly #upstream: RawUpstream;
  readonly #goodResponse: raw.RawResponse;
  #seed = 0n;

  constructor(gateway: FuzzedGateway, upstream: RawUpstream, goodResponse: raw.RawResponse) {
    this.#gateway = gateway;
    this.#upstream = upstream;
    this.#goodResponse = goodResponse;
  }

  /** Sends the request of an input while the upstream responds as the input says. */
  async check(input: ResponseInput): Promise<void> {
    this.#respondWith(responseOf(input));
    const id = this.#newId(input.ask === 'vendor' ? 'vendor' : 'native');
    const surface = createSurfaces[input.surface] ?? createSurfaces[0];
    switch (input.ask) {
      case 'create':
        await this.#send('POST', surface?.path ?? '', surface?.bodies[0]);
        break;
      case 'cancel':
        await this.#send('POST', `/operations/${id}/cancel`);
        break;
      case 'image':
        await this.#send('GET', `/operations/${id}/image`);
        break;
      case 'inline':
        await this.#send('GET', `/operations/${id}?include=image`);
        break;
      default:
        await this.#send('GET', `/operations/${id}`);
    }
    await this.succeed();
  }

  /** One good response of each method: failures in a row would open the breaker. */
  async succeed(): Promise<void> {
    this.#respondWith(this.#goodResponse);
    await this.#send('POST', '/v1/images', '{"prompt":"a cat"}');
    await this.#send('GET', `/operations/${this.#newId('native')}`);
  }

  #respondWith(response: raw.RawResponse): void {
    for (const method of ['Generate', 'Get', 'Cancel'] as const) {
      this.#upstream.on(method, response);
    }
  }

  /** An id that was never read, so that the gateway has to call the upstream. */
  #newId(form: OperationForm): string {
    this.#seed += 1n;
    return sealedIds.seal({ upstreamId, seed: this.#seed, acceptedAtMs, form }, anonymousTenant);
  }

  async #send(method: 'GET' | 'POST', path: string, body?: string): Promise<void> {
    const spentBefore = this.#upstream.spent;
    const callsBefore = this.#upstream.calls.length;
    const response = await this.#gateway.server.inject({
      method,
      url: path,
      ...(body !== undefined && {
        headers: { 'content-type': 'application/json' },
        payload: body,
      }),
    });
    const spent = this.#upstream.spent - spentBefore;
    const asked = { method, path, spent, isUpstreamBad: true };
    const { statusCode: status, headers, rawPayload } = response;
    checkResponse({ status, headers, body: rawPayload }, asked, this.#gateway.takeViolations());
    const sent = this.#upstream.calls.slice(callsBefore);
    const generates = sent.filter((call) => call.path.endsWith('/Generate'));
    promise(generates.length <= (method === 'POST' ? 1 : 0), `${generates.length} Generates`);
    this.#upstream.calls.splice(0);
  }
}

/** Mutated responses of a real HTTP/2 upstream, checked by what callers receive. */
export const upstreamResponses: FuzzTarget = {
  name: 'upstream-responses',
  share: 0.03,
  async open() {
    const messages = wireOperations(await realImages());
    const upstream = await startRawUpstream();
    const gateway = await openFuzzedGateway({
      UPSTREAM_ADDRESS: upstream.address,
      GENERATE_TIMEOUT_MS: '2000',
      GET_TIMEOUT_MS: '2000',
      IMAGE_BYTES_MAX: '100000',
    });
    const goodResponse = raw.ok(Buffer.from(messages[0] ?? '', 'latin1'));
    const conversation = new Conversation(gateway, upstream, goodResponse);
    await conversation.succeed();
    return openTarget<ResponseInput>({
      inputs: fc.record({
        ask: fc.constantFrom('create', 'create', 'read', 'image', 'inline', 'vendor', 'cancel'),
        surface: fc.constantFrom(0, 0, 2),
        message: mutatedTexts(messages, { charactersMax: 200_000 }),
        frame: frames,
        trailers,
      }),
      check: (input) => conversation.check(input),
      async close() {
        await gateway.close();
        await upstream.close();
      },
    });
  },
};
