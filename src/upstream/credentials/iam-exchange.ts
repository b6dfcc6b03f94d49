import { create } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { grpcCodeName } from '../../errors/grpc-code.ts';
import {
  CreateIamTokenRequestSchema,
  IamTokenService,
} from '../../gen/yandex/cloud/iam/v1/iam_token_service_pb.ts';
import { methodDefinitionFromDescriptor } from '../../grpc/service-definition.ts';
import type { CaCertificates } from '../channel/ca-certificates.ts';
import { channelOptions } from '../channel/channel-options.ts';
import { TokenRefusedError, type IssuedToken } from './refreshing-token.ts';
import { unaryCall, type CallStatus } from '../call/unary-call.ts';
import { upstreamAddressFromText } from '../channel/upstream-address.ts';

export interface IamExchangeOptions {
  /** `host:port` for TLS, or `http://host:port`. */
  readonly address: string;
  /** The CA to trust in place of Node's. */
  readonly ca?: CaCertificates | undefined;
  /** For one exchange, including the connection. */
  readonly timeoutMs?: number;
}

const method = methodDefinitionFromDescriptor(IamTokenService.method.create);
const limits = { messageBytesMax: 65_536, windowBytes: 65_536 };
/** Codes with which IAM refuses the assertion itself; after any other, the next one may be accepted. */
const refusalCodes: ReadonlySet<string> = new Set([
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'PERMISSION_DENIED',
  'FAILED_PRECONDITION',
  'UNIMPLEMENTED',
  'RESOURCE_EXHAUSTED',
  'UNAUTHENTICATED',
]);

/**
 * Exchanges signed assertions for tokens at IAM. The promise rejects with a
 * TokenRefusedError when IAM refuses. IAM's message is left out: it may quote
 * the assertion.
 *
 * @throws Error for an address that can't be read.
 */
export function openIamExchange({
  address,
  ca,
  timeoutMs = 10_000,
}: IamExchangeOptions): (assertion: string) => Promise<IssuedToken> {
  const { target, isPlaintext } = upstreamAddressFromText(address);
  const channelCredentials = () =>
    isPlaintext
      ? credentials.createInsecure()
      : // Explicit: Node's default depends on an environment variable.
        credentials.createSsl(ca?.pem ?? null, null, null, { rejectUnauthorized: true });
  return async (assertion) => {
    const request = create(CreateIamTokenRequestSchema, {
      identity: { case: 'jwt', value: assertion },
    });
    // One exchange an hour does not justify a connection that could go stale in between.
    const client = new Client(target, channelCredentials(), channelOptions(limits));
    try {
      const metadata = new Metadata();
      const result = await unaryCall(client, method, request, { metadata, timeoutMs }).ended;
      if (!result.ok) throw errorFromStatus(result.status);
      const { iamToken, expiresAt } = result.message;
      if (expiresAt === undefined) throw new Error('IAM sent a token without an expiry');
      return { token: iamToken, expiresAtMs: timestampMs(expiresAt) };
    } finally {
      client.close();
    }
  };
}

function errorFromStatus({ code, requestId }: CallStatus): Error {
  const name = grpcCodeName(code) ?? 'no gRPC code';
  const trace = requestId === undefined ? name : `${name}, request ${requestId}`;
  return refusalCodes.has(name)
    ? new TokenRefusedError(`IAM refused the service account's key (${trace})`)
    : new Error(`IAM gave no token (${trace})`);
}
