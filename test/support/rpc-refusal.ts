import { fromBinary } from '@bufbuild/protobuf';
import { ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../src/gen/google/rpc/status_pb.ts';

/** The status of a call that has to be refused. */
export async function refusalOf(call: Promise<unknown>) {
  const error = await call.then(
    () => undefined,
    (thrown: { code: number; details: string; metadata: { get(name: string): unknown[] } }) =>
      thrown,
  );
  if (error === undefined) throw new Error('the call was not refused');
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  const details = bytes === undefined ? [] : fromBinary(StatusSchema, bytes as Buffer).details;
  return { code: error.code, message: error.details, details };
}

/** The `google.rpc.ErrorInfo` of a call that has to be refused. */
export async function errorInfoOf(call: Promise<unknown>) {
  const { code, details } = await refusalOf(call);
  const info = details.find(({ typeUrl }) => typeUrl.endsWith(ErrorInfoSchema.typeName));
  const { reason, metadata } = info ? fromBinary(ErrorInfoSchema, info.value) : {};
  return { code, reason, outcome: metadata?.['outcome'] };
}
