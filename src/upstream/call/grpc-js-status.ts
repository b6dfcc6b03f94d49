import type { Reason } from '../../errors/reason.ts';

/** A status that grpc-js made itself, recognised by its code and the fixed beginning of its text. */
export interface LocalStatus {
  /** Absent: any code. */
  readonly code?: number;
  readonly text: RegExp;
  readonly reason: Reason;
  /** Written for the caller; grpc-js's own text holds addresses and stays inside. */
  readonly detail: string;
  /** Whether a Generate with this end may have been accepted, and paid for. */
  readonly spend: 'not_started' | 'unknown';
  /**
   * Matches only while nothing of a response has arrived. An upstream may relay
   * such a text itself, and then it is no proof that the request stayed here.
   */
  readonly isBeforeResponse?: true;
}

/** The beginning of the text of a call that was never handed to grpc-js. */
export const unsentText = 'Not sent: ';

const notThisService = 'another service answers at the upstream address';
const proxyRefused = 'a proxy before the upstream refused the call';
const badResponse = 'the upstream sent a response that can not be read';
const tooLarge = 'the upstream sent more than the gateway accepts';
const unreachable = 'the upstream can not be reached';
const brokenOff = 'the connection to the upstream broke during the call';
const tooLate = 'the upstream did not respond in time';
const unwritable = 'the request could not be written';
const ended = 'the gateway ended the call';

/** The end of a request that never left this process, or was returned unread. */
function unsent(code: number, text: RegExp, reason: Reason, detail: string): LocalStatus {
  return { code, text, reason, detail, spend: 'not_started', isBeforeResponse: true };
}

/** The end of a request that the upstream may have read. */
function sent(code: number | undefined, text: RegExp, reason: Reason, detail: string): LocalStatus {
  return { ...(code !== undefined && { code }), text, reason, detail, spend: 'unknown' };
}

/** Texts of a call that still waits for its stream. A later one may also say how long that took: `name resolution: 0.01s`. */
const deadlineBeforeSending =
  /^Deadline exceeded after .*(?:Waiting for LB pick|waiting for name resolution|waiting for metadata filters)/;

/** A plain HTTP 401 or 403. */
const refusedByProxy = {
  text: /^Received HTTP status code/,
  reason: 'upstream_auth',
  detail: 'a proxy before the upstream refuses the credentials of the gateway',
  spend: 'not_started',
} as const;

/**
 * Statuses of @grpc/grpc-js 1.14; the first match counts. A test produces each of
 * them with a real call, so that a version with other texts is noticed.
 */
export const localStatuses: readonly LocalStatus[] = [
  // When a caller's signal ended the call, no caller waits for this error.
  unsent(1, /^Not sent: /, 'draining', ended),
  sent(1, /^Cancelled on client/, 'draining', ended),
  sent(1, /^Call cancelled/, 'upstream_error', brokenOff),
  sent(2, /^No status information received/, 'bad_upstream_result', badResponse),
  unsent(4, /^Not sent: /, 'upstream_timeout', tooLate),
  unsent(4, deadlineBeforeSending, 'upstream_timeout', tooLate),
  sent(4, /^Deadline exceeded after /, 'upstream_timeout', tooLate),
  sent(7, /^Protocol not secure enough/, 'upstream_unavailable', brokenOff),
  // A page of text read as a frame: four letters read as a length are half a GiB and more.
  sent(
    8,
    /^Received message larger than max \((?:[5-9]\d{8}|\d{10})/,
    'bad_upstream_result',
    notThisService,
  ),
  sent(8, /^Received message larger than max/, 'upstream_message_too_large', tooLarge),
  sent(
    8,
    /^Received message that decompresses to a size larger/,
    'upstream_message_too_large',
    tooLarge,
  ),
  unsent(
    8,
    /^Attempted to send message with a size larger/,
    'payload_too_large',
    'the request is larger than the upstream accepts',
  ),
  sent(8, /^Bandwidth exhausted or memory limit exceeded/, 'upstream_unavailable', brokenOff),
  sent(12, /^No message received/, 'bad_upstream_result', badResponse),
  sent(12, /^Too many responses received/, 'bad_upstream_result', badResponse),
  sent(13, /^Response message parsing error/, 'bad_upstream_result', badResponse),
  sent(13, /^Failed to decompress/, 'bad_upstream_result', badResponse),
  sent(
    13,
    /^Received RST_STREAM with code 0 \(Call ended without gRPC status/,
    'bad_upstream_result',
    badResponse,
  ),
  sent(13, /^Received RST_STREAM/, 'upstream_error', brokenOff),
  unsent(13, /^Request message serialization failure/, 'internal_error', unwritable),
  sent(13, /^Failed to write message/, 'internal_error', unwritable),
  unsent(13, /^Failed to start HTTP\/2 stream/, 'upstream_unavailable', unreachable),
  unsent(14, /^Not sent: /, 'upstream_unavailable', unreachable),
  // The text begins with the name of the load balancer.
  unsent(14, /^(?:\w+: )?No connection established/, 'upstream_unavailable', unreachable),
  unsent(14, /^(?:\w+: )?No addresses resolved/, 'upstream_unavailable', unreachable),
  unsent(14, /^Name resolution failed/, 'upstream_unavailable', unreachable),
  unsent(14, /^Channel closed before call started/, 'upstream_unavailable', unreachable),
  unsent(14, /^Stream refused by server/, 'upstream_unavailable', 'the upstream refused the call'),
  sent(14, /^Connection dropped|^Write failed with error/, 'upstream_unavailable', brokenOff),
  sent(14, /ECONNRESET|ETIMEDOUT/, 'upstream_unavailable', brokenOff),
  // A plain HTTP response: grpc-js turns its status code into a gRPC code.
  {
    code: 12,
    text: /^Received HTTP status code/,
    reason: 'upstream_error',
    detail: notThisService,
    spend: 'not_started',
  },
  sent(14, /^Received HTTP status code/, 'upstream_unavailable', proxyRefused),
  { ...refusedByProxy, code: 7 },
  { ...refusedByProxy, code: 16 },
  sent(undefined, /^Received HTTP status code/, 'upstream_error', proxyRefused),
];
