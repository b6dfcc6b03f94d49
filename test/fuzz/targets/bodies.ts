import fc from 'fast-check';
import { checkResponse, openFuzzedGateway } from '../fuzzed-gateway.ts';
import { openTarget, type FuzzTarget } from '../fuzz-target.ts';
import { InstantUpstream } from '../instant-upstream.ts';
import { createInputs, type CreateInput } from '../surfaces.ts';

interface BodyInput extends CreateInput {
  readonly headers: Readonly<Record<string, string>>;
}

const json = 'application/json';
const headers = fc.record(
  {
    'content-type': fc.constantFrom(json, json, json, json, 'application/x-www-form-urlencoded'),
    prefer: fc.constantFrom('handling=lenient', 'handling=strict', 'respond-async', 'wait=1'),
    accept: fc.constantFrom('*/*', 'image/*', 'application/json', 'text/event-stream'),
    'idempotency-key': fc.constantFrom('key-1', 'key-2'),
  },
  { requiredKeys: ['content-type'] },
);

/** JSON bodies of the three surfaces, as bytes. */
export const bodies: FuzzTarget = {
  name: 'bodies',
  share: 0.1495,
  async open() {
    const upstream = new InstantUpstream();
    const gateway = await openFuzzedGateway({}, upstream);
    return openTarget<BodyInput>({
      inputs: fc
        .tuple(createInputs, headers)
        .map(([input, given]) => ({ ...input, headers: given as Record<string, string> })),
      async check({ path, body, headers: given }) {
        const spentBefore = upstream.spent;
        const response = await gateway.server.inject({
          method: 'POST',
          url: path,
          headers: given,
          payload: Buffer.from(body, 'latin1'),
        });
        checkResponse(
          { status: response.statusCode, headers: response.headers, body: response.rawPayload },
          { method: 'POST', path, spent: upstream.spent - spentBefore },
          gateway.takeViolations(),
        );
      },
      close: () => gateway.close(),
    });
  },
};
