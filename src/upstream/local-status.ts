import type { Reason } from '../errors/reason.ts';

/** A status that grpc-js made itself, told by the fixed beginning of its text. */
export interface LocalStatus {
  readonly code: number;
  readonly beginning: string;
  readonly reason: Reason;
  /** Written for the caller; grpc-js's own text holds addresses and stays inside. */
  readonly detail: string;
  /** Whether the request certainly never left this process. */
  readonly neverSent: boolean;
}

const unknown = 2;
const resourceExhausted = 8;
const unimplemented = 12;
const internal = 13;
const unavailable = 14;

const notThisService = 'what answers at the upstream address is not this service';
const badAnswer = 'the upstream sent an answer that can not be read';
const tooLarge = 'the upstream sent more than this gateway takes';
const unreachable = 'the upstream can not be reached';

function local(
  code: number,
  beginning: string,
  reason: Reason,
  detail: string,
  neverSent = false,
): LocalStatus {
  return { code, beginning, reason, detail, neverSent };
}

/** Texts of @grpc/grpc-js 1.14; a test drives each of them for real. */
export const localStatuses: readonly LocalStatus[] = [
  local(
    resourceExhausted,
    'Received message larger than max',
    'upstream_message_too_large',
    tooLarge,
  ),
  local(
    resourceExhausted,
    'Received message that decompresses to a size larger',
    'upstream_message_too_large',
    tooLarge,
  ),
  local(
    resourceExhausted,
    'Attempted to send message with a size larger',
    'payload_too_large',
    'the request is larger than the upstream takes',
    true,
  ),
  local(
    resourceExhausted,
    'Bandwidth exhausted or memory limit exceeded',
    'upstream_unavailable',
    unreachable,
  ),
  local(unimplemented, 'No message received', 'bad_upstream_result', badAnswer),
  local(unimplemented, 'Received HTTP status code', 'upstream_error', notThisService),
  local(unimplemented, 'Too many responses received', 'bad_upstream_result', badAnswer),
  local(
    unknown,
    'Received HTTP status code',
    'upstream_error',
    'a proxy before the upstream refused the call',
  ),
  local(unknown, 'No status received', 'bad_upstream_result', badAnswer),
  local(internal, 'Response message parsing error', 'bad_upstream_result', badAnswer),
  local(internal, 'Received RST_STREAM', 'upstream_error', 'the upstream broke the call off'),
  local(internal, 'Failed to decompress', 'bad_upstream_result', badAnswer),
  local(
    internal,
    'Request message serialization failure',
    'internal_error',
    'the request could not be written',
    true,
  ),
  local(internal, 'Failed to write message', 'internal_error', 'the request could not be written'),
  local(internal, 'Failed to start HTTP/2 stream', 'upstream_unavailable', unreachable),
  local(unavailable, 'No connection established', 'upstream_unavailable', unreachable, true),
  local(unavailable, 'Name resolution failed', 'upstream_unavailable', unreachable, true),
  local(
    unavailable,
    'Channel closed before call started',
    'upstream_unavailable',
    unreachable,
    true,
  ),
  local(
    unavailable,
    'Stream refused by server',
    'upstream_unavailable',
    'the upstream refused the call',
    true,
  ),
];

/** A deadline that passed while the call still waited for a connection. */
const waitedForConnection = /Waiting for LB pick|name resolution/i;

/** Whether a deadline passed before anything was sent. */
export function expiredUnsent(details: string): boolean {
  return waitedForConnection.test(details);
}
