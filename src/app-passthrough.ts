import { PassthroughCredentials, type CredentialState } from './callers/passthrough-credentials.ts';
import { systemClock } from './clock/system-clock.ts';
import { GatewayError } from './errors/gateway-error.ts';
import type { Reason } from './errors/reason.ts';
import type { UpstreamClient } from './upstream/upstream-client.ts';

/** An id that looks like an operation's and is none. */
const unknownOperationId = '00000000000000000000';
/** Much longer than a response takes; after that the request is refused, if the credential was never accepted. */
const askMsMax = 5_000;
/** What an upstream says to a credential that it knows. */
const acceptedReasons: ReadonlySet<Reason> = new Set([
  'operation_not_found',
  'permission_denied',
  'invalid_request',
  'quota_exceeded',
]);

/** The credentials of callers that go upstream, and the upstream that reports when it refuses one. */
export interface AppPassthrough {
  readonly credentials: PassthroughCredentials;
  readonly upstream: UpstreamClient;
}

/** Asks about a credential by reading an operation that does not exist, which costs nothing. */
export function openAppPassthrough(upstream: UpstreamClient): AppPassthrough {
  const credentials = new PassthroughCredentials({
    elapsedMs: () => systemClock.elapsedMs(),
    ask: (authorization) =>
      upstream
        .getOperation(unknownOperationId, { authorization, timeoutMs: askMsMax })
        .then(() => 'accepted' as const, stateFromError),
  });
  const watched = <Result>(
    { authorization }: { readonly authorization?: string },
    call: Promise<Result>,
  ): Promise<Result> =>
    call.catch((error: unknown) => {
      const isRefused = stateFromError(error) === 'refused';
      if (isRefused && authorization !== undefined) credentials.refused(authorization);
      throw error;
    });
  return {
    credentials,
    upstream: {
      generate: (request, options = {}) => watched(options, upstream.generate(request, options)),
      getOperation: (id, options = {}) => watched(options, upstream.getOperation(id, options)),
      cancelOperation: (id, options = {}) =>
        watched(options, upstream.cancelOperation(id, options)),
      probe: () => upstream.probe(),
      get ready() {
        return upstream.ready;
      },
      close: (graceMs) => upstream.close(graceMs),
    },
  };
}

function stateFromError(error: unknown): CredentialState {
  if (!(error instanceof GatewayError)) return 'unknown';
  if (error.reason === 'unauthenticated') return 'refused';
  return acceptedReasons.has(error.reason) ? 'accepted' : 'unknown';
}
