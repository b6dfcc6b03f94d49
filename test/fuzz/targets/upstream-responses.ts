import fc from 'fast-check';
import * as raw from '../../support/raw-responses.ts';
import { startRawUpstream } from '../../support/raw-upstream.ts';
import { mutatedTexts } from '../byte-mutation.ts';
import { anonymousTenant, checkResponse, openFuzzedGateway, sealedIds } from '../fuzzed-gateway.ts';
import type { OperationForm } from '../../../src/operations/operation-id.ts';
import { openTarget, promise, type FuzzTarget } from '../fuzz-target.ts';
import { realImages } from '../images.ts';
import { createSurfaces } from '../surfaces.ts';
import { upstreamId, wireOperations, wireStatuses } from '../wire-operations.ts';

interface AnswerInput {
  /** What is asked of the gateway: index of a way to create, or a way to read. */
  readonly ask: 'create' | 'read' | 'image' | 'inline' | 'vendor' | 'cancel';
  readonly surface: number;
  /** The message of the upstream, before framing. */
  readonly message: string;
  readonly frame: { readonly isCompressed: boolean; readonly length: number | null };
  readonly trailers: Readonly<Record<string, string>>;
}

/** Of the older creation, so that "not found" is final. */
const acceptedAtMs = 1_700_000_000_000;

function answerOf({ message, frame, trailers }: AnswerInput): raw.RawResponse {
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

/** Mutated answers of a real HTTP/2 upstream, as callers see what comes of them. */
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
    const healthy = raw.ok(Buffer.from(messages[0] ?? '', 'latin1'));
    let seed = 0n;
    // An id that was never read: the gateway has to ask about it.
    const freshId = (form: OperationForm) => {
      seed += 1n;
      return sealedIds.seal({ upstreamId, seed, acceptedAtMs, form }, anonymousTenant);
    };
    const send = async (method: 'GET' | 'POST', path: string, body?: string) => {
      const spentBefore = upstream.spent;
      const callsBefore = upstream.calls.length;
      const answer = await gateway.server.inject({
        method,
        url: path,
        ...(body !== undefined && {
          headers: { 'content-type': 'application/json' },
          payload: body,
        }),
      });
      const spent = upstream.spent - spentBefore;
      const asked = { method, path, spent, isUpstreamBad: true };
      const { statusCode: status, headers, rawPayload } = answer;
      checkResponse({ status, headers, body: rawPayload }, asked, gateway.takeViolations());
      const sent = upstream.calls.slice(callsBefore);
      const generates = sent.filter((call) => call.path.endsWith('/Generate'));
      promise(generates.length <= (method === 'POST' ? 1 : 0), `${generates.length} Generates`);
      upstream.calls.splice(0);
    };
    // Between bad answers comes a good one, so that no failure in a row ends the conversation.
    const soothe = async () => {
      upstream.on('Generate', healthy);
      upstream.on('Get', healthy);
      upstream.on('Cancel', healthy);
      await send('POST', '/v1/images', '{"prompt":"a cat"}');
      await send('GET', `/operations/${freshId('native')}`);
    };
    await soothe();
    return openTarget<AnswerInput>({
      inputs: fc.record({
        ask: fc.constantFrom('create', 'create', 'read', 'image', 'inline', 'vendor', 'cancel'),
        surface: fc.constantFrom(0, 0, 2),
        message: mutatedTexts(messages, { charactersMax: 200_000 }),
        frame: fc.oneof(
          { weight: 8, arbitrary: fc.constant({ isCompressed: false, length: null }) },
          {
            weight: 1,
            arbitrary: fc.record({
              isCompressed: fc.boolean(),
              length: fc.constantFrom(null, 0, 1, 5, 2 ** 31, 2 ** 32 - 1),
            }),
          },
        ),
        trailers,
      }),
      async check(input) {
        const answer = answerOf(input);
        upstream.on('Generate', answer);
        upstream.on('Get', answer);
        upstream.on('Cancel', answer);
        const id = freshId(input.ask === 'vendor' ? 'vendor' : 'native');
        const surface = createSurfaces[input.surface] ?? createSurfaces[0];
        switch (input.ask) {
          case 'create':
            await send('POST', surface?.path ?? '', surface?.bodies[0]);
            break;
          case 'cancel':
            await send('POST', `/operations/${id}/cancel`);
            break;
          case 'image':
            await send('GET', `/operations/${id}/image`);
            break;
          case 'inline':
            await send('GET', `/operations/${id}?include=image`);
            break;
          default:
            await send('GET', `/operations/${id}`);
        }
        await soothe();
      },
      async close() {
        await gateway.close();
        await upstream.close();
      },
    });
  },
};
