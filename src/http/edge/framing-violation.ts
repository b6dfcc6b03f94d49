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
export function framingViolation(request: IncomingMessage): string | undefined {
  if (request.httpVersion !== '1.1') return 'send HTTP/1.1';
  const { rawHeaders, method } = request;
  const count = { host: 0, 'content-length': 0, 'transfer-encoding': 0 };
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = framingName(rawHeaders[at] ?? '');
    if (name === 'disguised') return 'spell Content-Length and Transfer-Encoding with hyphens';
    if (name !== undefined) count[name] += 1;
  }
  const {
    host = '',
    'content-length': length = '0',
    'transfer-encoding': coding,
  } = request.headers;
  const isChunked = count['transfer-encoding'] > 0;
  if (count.host !== 1) return 'send exactly one Host header';
  if (!hostPattern.test(host)) return 'Host is no host with an optional port';
  if (isChunked && coding !== 'chunked')
    return 'send Transfer-Encoding as chunked and nothing else';
  if (isChunked && count['content-length'] > 0)
    return 'send Transfer-Encoding or Content-Length, not both';
  if (count['content-length'] > 1 || !/^[0-9]+$/.test(length))
    return 'send Content-Length once, as a whole number';
  const hasBody = isChunked || Number(length) > 0;
  if (hasBody && (method === 'GET' || method === 'HEAD')) return `send no body with ${method}`;
  return isForHost(request.url ?? '', host) ? undefined : 'the target and Host name two hosts';
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

/** Whether the target is a path, or a whole URL of the same host as Host. */
function isForHost(target: string, host: string): boolean {
  if (target.startsWith('/') || target === '*') return true;
  const [, authority] = /^https?:\/\/([^/?#]*)/i.exec(target) ?? [];
  return authority?.toLowerCase() === host.toLowerCase();
}
