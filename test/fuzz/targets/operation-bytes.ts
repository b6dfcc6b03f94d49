import fc from 'fast-check';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import { snapshotAfter, snapshotFromSealed } from '../../../src/operations/result/snapshot.ts';
import { operationSchema } from '../../../src/schemas/operations.ts';
import { problemKindOf } from '../../../src/schemas/problem-catalog.ts';
import { operationJson } from '../../../src/translation/operation-json.ts';
import { outcomeFromOperation } from '../../../src/translation/outcome.ts';
import { vendorOperationJson } from '../../../src/translation/vendor.ts';
import { errorDetailsFromBytes } from '../../../src/upstream/call/error-details.ts';
import { boundedOperationFromBytes } from '../../../src/upstream/call/operation-deserializer.ts';
import { errorFromStatus, type MethodName } from '../../../src/upstream/call/status-error.ts';
import { mutatedTexts } from '../byte-mutation.ts';
import { openTarget, promise, type FuzzTarget } from '../fuzz-target.ts';
import { realImages } from '../images.ts';
import { upstreamId, wireOperations, wireStatuses } from '../wire-operations.ts';

type WireInput =
  | { readonly kind: 'operation'; readonly text: string }
  | {
      readonly kind: 'status';
      readonly text: string;
      readonly method: MethodName;
      /** `NaN` and whatever else grpc-js passes on, as text. */
      readonly code: string;
      readonly message: string;
    };

const sealed = { upstreamId, seed: 7n, acceptedAtMs: 1_795_000_000_000, form: 'native' as const };
const before = snapshotFromSealed('op_x', sealed);

/** From the bytes of an operation to the JSON that callers read. */
function checkOperation(bytes: Buffer): void {
  let operation;
  try {
    operation = boundedOperationFromBytes(bytes);
  } catch (error) {
    // grpc-js makes an INTERNAL of it, which is judged like any other.
    return promise(error instanceof Error, 'threw what is no error');
  }
  const outcome = outcomeFromOperation(operation, { imageBytesMax: 100_000 });
  const snapshot = snapshotAfter(before, operation, outcome, 1_795_000_020_000);
  const json = operationJson(snapshot, {
    origin: 'http://gateway.example',
    isRetryable: (reason) => problemKindOf(reason).retryable,
  });
  const read = operationSchema.safeParse(JSON.parse(JSON.stringify(json)));
  promise(read.success, () => `no operation: ${read.error?.message}`);
  const text = JSON.stringify(vendorOperationJson(snapshot));
  promise(text.isWellFormed(), 'half of a surrogate pair');
}

function checkStatus(input: Extract<WireInput, { kind: 'status' }>): void {
  const detailsBytes = Buffer.from(input.text, 'latin1');
  const { violations, retryAfterS, requestId } = errorDetailsFromBytes(detailsBytes);
  promise(violations.length <= 50, `${violations.length} violations`);
  const isSoon = retryAfterS === undefined || (retryAfterS >= 1 && retryAfterS <= 60);
  promise(isSoon, `to be tried again in ${retryAfterS} s`);
  promise(requestId === undefined || typeof requestId === 'string', 'an id that is no text');
  const isText = !/^-?\d+$|^NaN$/.test(input.code);
  const error = errorFromStatus(
    {
      code: isText ? undefined : Number(input.code),
      details: input.message,
      detailsBytes,
      hasResponded: true,
      requestId: undefined,
    },
    { method: input.method, random: () => 0.5 },
  );
  promise(error instanceof GatewayError, 'no error');
  const isSpending = input.method === 'Generate';
  promise((error.outcome !== undefined) === isSpending, `an outcome ${error.outcome}`);
}

/** Mutated operations, through the deserializer and all code that reads them. */
export const operationBytes: FuzzTarget = {
  name: 'operation-bytes',
  share: 0.17,
  async open() {
    const operations = wireOperations(await realImages());
    return openTarget<WireInput>({
      inputs: fc.oneof(
        {
          weight: 3,
          arbitrary: fc.record({
            kind: fc.constant<'operation'>('operation'),
            text: mutatedTexts(operations, { charactersMax: 400_000 }),
          }),
        },
        {
          weight: 1,
          arbitrary: fc.record({
            kind: fc.constant<'status'>('status'),
            text: mutatedTexts(wireStatuses),
            method: fc.constantFrom<MethodName>('Generate', 'Get', 'Cancel'),
            code: fc.oneof(
              fc.integer({ min: -2, max: 20 }).map(String),
              fc.constantFrom('NaN', 'x'),
            ),
            message: fc.oneof(
              fc.string({ unit: 'binary', maxLength: 600 }),
              fc.constantFrom(
                'Deadline exceeded after 1s, Waiting for LB pick',
                'Received HTTP status code 401',
                'No connection established',
                'Received RST_STREAM with code 7',
              ),
            ),
          }),
        },
      ),
      check(input) {
        if (input.kind === 'operation') checkOperation(Buffer.from(input.text, 'latin1'));
        else checkStatus(input);
      },
    });
  },
};
