import type { Reason } from '../../errors/reason.ts';

/** A status that grpc-js made itself, told by its code and the fixed beginning of its text. */
export interface LocalStatus {
  /** Absent: any code. */
  readonly code?: number;
  readonly text: RegExp;
  readonly reason: Reason;
  /** Written for the caller; grpc-js's own text holds addresses and stays inside. */
  readonly detail: string;
  /** Whether a Generate that ended so may have been accepted, and so paid for. */
  readonly spend: 'not_started' | 'unknown';
  /**
   * Holds only while nothing of an answer has arrived. An upstream may itself
   * send such a text on, and then it is no proof that the request stayed here.
   */
  readonly isBeforeResponse?: true;
}

/** Begins the text of a call that was never handed to grpc-js. */
export const unsentText = 'Not sent: ';

const notThisService = 'what answers at the upstream address is not this service';
const proxyRefused = 'a proxy before the upstream refused the call';
const badAnswer = 'the upstream sent an answer that can not be read';
const tooLarge = 'the upstream sent more than this gateway takes';
const unreachable = 'the upstream can not be reached';
const brokenOff = 'the connection to the upstream broke during the call';
const tooLate = 'the upstream did not answer in time';
const unwritable = 'the request could not be written';
const ended = 'the gateway ended the call';

/** The request never left this process, or was given back unread. */
function unsent(code: number, text: RegExp, reason: Reason, detail: string): LocalStatus {
  return { code, text, reason, detail, spend: 'not_started', isBeforeResponse: true };
}

/** The request may have been read. */
function sent(code: number | undefined, text: RegExp, reason: Reason, detail: string): LocalStatus {
  return { ...(code !== undefined && { code }), text, reason, detail, spend: 'unknown' };
}

/** What a call without a stream waits for. One with a stream may tell how long it took, as `name resolution: 0.01s`. */
const deadlineBeforeSending =
  /^Deadline exceeded after .*(?:Waiting for LB pick|waiting for name resolution|waiting for metadata filters)/;

/** 401 and 403 of plain HTTP. */
const refusedByProxy = {
  text: /^Received HTTP status code/,
  reason: 'upstream_auth',
  detail: 'a proxy before the upstream does not let the gateway through',
  spend: 'not_started',
} as const;

/**
 * Texts of @grpc/grpc-js 1.14, the first match counts. A test drives each of
 * them for real, so that a version which words them anew is noticed.
 */
export const localStatuses: readonly LocalStatus[] = [
  // Where a caller's signal ended it, nobody waits for the answer any more.
  unsent(1, /^Not sent: /, 'draining', ended),
  sent(1, /^Cancelled on client/, 'draining', ended),
  sent(1, /^Call cancelled/, 'upstream_error', brokenOff),
  sent(2, /^No status information received/, 'bad_upstream_result', badAnswer),
  unsent(4, /^Not sent: /, 'upstream_timeout', tooLate),
  unsent(4, deadlineBeforeSending, 'upstream_timeout', tooLate),
  sent(4, /^Deadline exceeded after /, 'upstream_timeout', tooLate),
  sent(7, /^Protocol not secure enough/, 'upstream_unavailable', brokenOff),
  // A page of text read as a frame: four letters make a length of half a GiB and more.
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
    'the request is larger than the upstream takes',
  ),
  sent(8, /^Bandwidth exhausted or memory limit exceeded/, 'upstream_unavailable', brokenOff),
  sent(12, /^No message received/, 'bad_upstream_result', badAnswer),
  sent(12, /^Too many responses received/, 'bad_upstream_result', badAnswer),
  sent(13, /^Response message parsing error/, 'bad_upstream_result', badAnswer),
  sent(13, /^Failed to decompress/, 'bad_upstream_result', badAnswer),
  sent(
    13,
    /^Received RST_STREAM with code 0 \(Call ended without gRPC status/,
    'bad_upstream_result',
    badAnswer,
  ),
  sent(13, /^Received RST_STREAM/, 'upstream_error', brokenOff),
  unsent(13, /^Request message serialization failure/, 'internal_error', unwritable),
  sent(13, /^Failed to write message/, 'internal_error', unwritable),
  unsent(13, /^Failed to start HTTP\/2 stream/, 'upstream_unavailable', unreachable),
  unsent(14, /^Not sent: /, 'upstream_unavailable', unreachable),
  // The load balancer puts its name first.
  unsent(14, /^(?:\w+: )?No connection established/, 'upstream_unavailable', unreachable),
  unsent(14, /^(?:\w+: )?No addresses resolved/, 'upstream_unavailable', unreachable),
  unsent(14, /^Name resolution failed/, 'upstream_unavailable', unreachable),
  unsent(14, /^Channel closed before call started/, 'upstream_unavailable', unreachable),
  unsent(14, /^Stream refused by server/, 'upstream_unavailable', 'the upstream refused the call'),
  sent(14, /^Connection dropped|^Write failed with error/, 'upstream_unavailable', brokenOff),
  sent(14, /ECONNRESET|ETIMEDOUT/, 'upstream_unavailable', brokenOff),
  // An answer of plain HTTP: grpc-js makes a gRPC code of its status code.
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
