import type { IncomingMessage } from 'node:http';

/** uri-host and port of RFC 9112, section 3.2. */
const hostPattern = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]{0,5})?$/;

/**
 * The reason why the end of this request is ambiguous, or undefined. Two servers
 * that read such a request differently see one request or two, and the second
 * one then runs in another caller's name (RFC 9112, section 11.2).
 *
 * Node's parser refuses most of these forms, but which ones depends on its
 * version and on flags of the process. This check depends on neither.
 */
export function framingViolation(request: IncomingMessage): FramingViolation | undefined {
  const { rawHeaders, method = '', httpVersion } = request;
  const isReading = method === 'GET' || method === 'HEAD';
  const isOld = httpVersion === '1.0';
  if (httpVersion !== '1.1' && !(isOld && isReading)) return { detail: 'send HTTP/1.1' };
  const count = { host: 0, 'content-length': 0, 'transfer-encoding': 0 };
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = framingName(rawHeaders[at] ?? '');
    if (name === 'disguised') {
      return { detail: 'write Content-Length and Transfer-Encoding with hyphens' };
    }
    if (name !== undefined) count[name] += 1;
  }
  const {
    host = '',
    'content-length': length = '0',
    'transfer-encoding': coding,
  } = request.headers;
  const isHostless = isOld && count.host === 0;
  if (count.host !== 1 && !isHostless) return violationOf('Host', 'send exactly one Host header');
  if (!isHostless && !hostPattern.test(host)) {
    return violationOf('Host', 'Host is not a host with an optional port');
  }
  const isChunked = count['transfer-encoding'] > 0;
  if (isChunked && (isOld || coding?.toLowerCase() !== 'chunked')) {
    return violationOf('Transfer-Encoding', 'send Transfer-Encoding as chunked and nothing else');
  }
  if (isChunked && count['content-length'] > 0) {
    return violationOf('Content-Length', 'send Transfer-Encoding or Content-Length, not both');
  }
  if (count['content-length'] > 1 || !/^[0-9]+$/.test(length)) {
    return violationOf('Content-Length', 'send Content-Length once, as a whole number');
  }
  if (isReading && Number(length) > 0) return bodyViolation(method);
  return targetViolation(request.url ?? '', { host, method, isHostless });
}

/** What is wrong with the framing of a request. */
export interface FramingViolation {
  /** The header that is wrong, where it is one. */
  readonly header?: string;
  readonly detail: string;
}

/** The violation of a GET or HEAD that has a body. */
export function bodyViolation(method: string): FramingViolation {
  return { detail: `send no body with ${method}` };
}

function violationOf(header: string, detail: string): FramingViolation {
  return { header, detail };
}

type FramingName = 'host' | 'content-length' | 'transfer-encoding';

/** The header's part in framing. Compares lengths first, because this runs for every header line of every request. */
function framingName(name: string): FramingName | 'disguised' | undefined {
  if (name.length !== 4 && name.length !== 14 && name.length !== 17) return undefined;
  switch (name.toLowerCase()) {
    case 'host':
      return 'host';
    case 'content-length':
      return 'content-length';
    case 'transfer-encoding':
      return 'transfer-encoding';
    // Some gateways read these as the headers with hyphens.
    case 'content_length':
    case 'transfer_encoding':
      return 'disguised';
    default:
      return undefined;
  }
}

/** A target is a path, or a whole URL of the same host as Host; `*` is for OPTIONS alone. */
function targetViolation(
  target: string,
  request: { readonly host: string; readonly method: string; readonly isHostless: boolean },
): FramingViolation | undefined {
  if (target.startsWith('/')) return undefined;
  if (target === '*') {
    return request.method === 'OPTIONS'
      ? undefined
      : { detail: `the target * is for OPTIONS, not for ${request.method}` };
  }
  const [, authority] = /^https?:\/\/([^/?#]*)/i.exec(target) ?? [];
  const isSame = authority?.toLowerCase() === request.host.toLowerCase();
  if (authority !== undefined && (isSame || request.isHostless)) return undefined;
  return violationOf('Host', 'the target and Host name two hosts');
}
