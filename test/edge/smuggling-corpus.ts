/** Bytes that two servers could read as different requests, and what that trick is called. */
export interface SmugglingPayload {
  readonly name: string;
  /** As sent, one character a byte; without what is smuggled behind it. */
  readonly bytes: string;
}

const json = '{"prompt":"smuggled"}';

/** Tells the smuggled request in the log. */
export const smuggledId = 'smuggled-request';

/** What must never reach a route: a create that an attacker wants to run in another caller's name. */
export function smuggledRequest(id = smuggledId): string {
  return [
    'POST /v1/images HTTP/1.1',
    'host: gateway',
    `x-request-id: ${id}`,
    'content-type: application/json',
    `content-length: ${json.length}`,
    '',
    json,
  ].join('\r\n');
}

interface Parts {
  readonly start?: string;
  /** In place of the usual `host: gateway`. */
  readonly host?: string;
  readonly lines?: readonly string[];
  readonly body?: string;
}

/** A request that is right but for what is given. */
function request({ start, host = 'host: gateway\r\n', lines = [], body = '' }: Parts): string {
  const head = [start ?? 'POST /v1/images HTTP/1.1', ...lines].join('\r\n');
  const [first = '', ...rest] = head.split('\r\n');
  const fields = ['content-type: application/json', ...rest].map((line) => `${line}\r\n`);
  return `${first}\r\n${host}${fields.join('')}\r\n${body}`;
}

const chunked = 'transfer-encoding: chunked';
const chunkedJson = `${json.length.toString(16)}\r\n${json}\r\n0\r\n\r\n`;
const length = `content-length: ${json.length}`;

function lined(name: string, lines: readonly string[], body = json): SmugglingPayload {
  return { name, bytes: request({ lines, body }) };
}

function coded(name: string, line: string): SmugglingPayload {
  return { name, bytes: request({ lines: [line], body: chunkedJson }) };
}

function inChunks(name: string, body: string): SmugglingPayload {
  return { name, bytes: request({ lines: [chunked], body }) };
}

function started(name: string, start: string, parts: Omit<Parts, 'start'> = {}): SmugglingPayload {
  return { name, bytes: request({ start, ...parts }) };
}

function hosted(name: string, host: string, start = 'GET /livez HTTP/1.1'): SmugglingPayload {
  return { name, bytes: request({ start, host }) };
}

const twoLengths: readonly SmugglingPayload[] = [
  lined('CL.TE', ['content-length: 6', chunked], '0\r\n\r\n'),
  lined('TE.CL', [chunked, 'content-length: 4'], chunkedJson),
  lined('TE.CL with length 0', [chunked, 'content-length: 0'], chunkedJson),
  lined('CL.TE with an honest length', [length, chunked]),
  lined('TE.CL spelled in capitals', ['TRANSFER-ENCODING: chunked', 'CONTENT-LENGTH: 4']),
  lined('two lengths, different', [length, 'content-length: 0']),
  lined('two lengths, the same', [length, length]),
  lined('a list of lengths', [`content-length: ${json.length}, ${json.length}`]),
  lined('a list of two lengths', [`content-length: 0, ${json.length}`]),
];

const lengths: readonly SmugglingPayload[] = [
  ...['+21', '-1', '-0', '0x15', '21.0', '2e1', '1_0', '2 1', '21;', 'abc', '"21"', '', ','],
  ...['18446744073709551616', '99999999999999999999999', '21\v', '\f21', '\u00b221', '21\0'],
].map((value) => lined(`content-length: ${JSON.stringify(value)}`, [`content-length: ${value}`]));

const codings: readonly SmugglingPayload[] = [
  ...['xchunked', 'chunked, chunked', 'identity', 'chunked, identity', 'identity, chunked'],
  ...[
    'gzip, chunked',
    'chunked, gzip',
    'gzip',
    'Chunked, chunked',
    'CHUNKED, identity',
    '"chunked"',
    'chunked;q=1',
  ],
  ...[
    'chunk',
    'chunked,',
    ',chunked',
    'cow',
    '',
    '\vchunked',
    'chunked\f',
    'chunked\0',
    'x\u00a0chunked',
  ],
].map((value) =>
  coded(`transfer-encoding: ${JSON.stringify(value)}`, `transfer-encoding: ${value}`),
);

const disguises: readonly SmugglingPayload[] = [
  coded('space before the colon', 'transfer-encoding : chunked'),
  coded('tab before the colon', 'transfer-encoding\t: chunked'),
  coded('space before the name', ' transfer-encoding: chunked'),
  coded('obs-fold', 'x: y\r\n transfer-encoding: chunked'),
  coded('obs-fold in the value', 'transfer-encoding:\r\n chunked'),
  coded('bare CR before the name', 'x: y\rtransfer-encoding: chunked'),
  coded('bare LF before the name', 'x: y\ntransfer-encoding: chunked'),
  coded('NUL in the name', 'transfer\0encoding: chunked'),
  coded('NUL in a value', 'x: \0'),
  coded('underscore in the name', 'transfer_encoding: chunked'),
  coded('two codings', `${chunked}\r\n${chunked}`),
  coded('two codings, one unknown', `${chunked}\r\ntransfer-encoding: x`),
  coded('two codings, the first unknown', `transfer-encoding: x\r\n${chunked}`),
  coded('no colon', 'transfer-encoding chunked'),
  coded('a name that is empty', ': chunked'),
  lined('space before the colon of a length', [`content-length : ${json.length}`]),
  lined('underscore in the name of a length', [`content_length: ${json.length}`]),
  lined('obs-fold in a length', [`content-length: 2\r\n 1`]),
];

const chunks: readonly SmugglingPayload[] = [
  inChunks('0x before the size', `0x${chunkedJson}`),
  inChunks('plus before the size', `+${chunkedJson}`),
  inChunks('minus before the size', `-${chunkedJson}`),
  inChunks('space before the size', ` ${chunkedJson}`),
  inChunks('underscore in the size', `1_5\r\n${json}\r\n0\r\n\r\n`),
  inChunks('a size above 64 bits', `10000000000000015\r\n${json}\r\n0\r\n\r\n`),
  inChunks('a size that is no number', `g\r\n${json}\r\n0\r\n\r\n`),
  inChunks('no size', `\r\n${json}\r\n0\r\n\r\n`),
  inChunks('a size below the chunk', `14\r\n${json}\r\n0\r\n\r\n`),
  inChunks('a size above the chunk', `16\r\n${json}\r\n0\r\n\r\n`),
  inChunks('LF alone after the size', `15\n${json}\r\n0\r\n\r\n`),
  inChunks('LF alone after the chunk', `15\r\n${json}\n0\r\n\r\n`),
  inChunks('CR alone after the size', `15\r${json}\r\n0\r\n\r\n`),
  inChunks('NUL after the size', `15\0\r\n${json}\r\n0\r\n\r\n`),
  inChunks('LF alone in an extension', `15;x\n${json}\r\n0\r\n\r\n`),
  inChunks('CR alone in an extension', `15;x\ry\r\n${json}\r\n0\r\n\r\n`),
  inChunks('an extension of 20 KiB', `15;${'x'.repeat(20_480)}\r\n${json}\r\n0\r\n\r\n`),
  inChunks('LF alone after the last chunk', `15\r\n${json}\r\n0\n\n`),
  inChunks('a trailer without a colon', `15\r\n${json}\r\n0\r\nx\r\n\r\n`),
  inChunks('a trailer with obs-fold', `15\r\n${json}\r\n0\r\n x: y\r\n\r\n`),
  inChunks('a trailer with space before the colon', `15\r\n${json}\r\n0\r\nx : y\r\n\r\n`),
  inChunks('a length in a trailer', `15\r\n${json}\r\n0\r\ncontent-length: 5\r\n\r\n`),
  inChunks('a coding in a trailer', `15\r\n${json}\r\n0\r\n${chunked}\r\n\r\n`),
  inChunks('a trailer of 20 KiB', `15\r\n${json}\r\n0\r\nx: ${'y'.repeat(20_480)}\r\n\r\n`),
];

const hosts: readonly SmugglingPayload[] = [
  hosted('no Host', ''),
  hosted('two Hosts', 'host: gateway\r\nhost: evil\r\n'),
  hosted('two Hosts, the same', 'host: gateway\r\nHOST: gateway\r\n'),
  hosted('a Host with a path', 'host: gateway/evil\r\n'),
  hosted('a Host with credentials', 'host: gateway@evil\r\n'),
  hosted('a Host with a comma', 'host: gateway, evil\r\n'),
  hosted('a Host with a space', 'host: gateway evil\r\n'),
  hosted('a Host with a bad port', 'host: gateway:80x\r\n'),
  hosted('an empty Host', 'host: \r\n'),
  hosted('a Host with obs-fold', 'host:\r\n gateway\r\n'),
  hosted('a Host with space before the colon', 'host : gateway\r\n'),
  hosted(
    'an absolute target of another host',
    'host: gateway\r\n',
    'GET http://evil/livez HTTP/1.1',
  ),
  hosted('a target with another scheme', 'host: gateway\r\n', 'GET ftp://gateway/ HTTP/1.1'),
  hosted('a target with credentials', 'host: gateway\r\n', 'GET http://gateway@evil/ HTTP/1.1'),
];

const starts: readonly SmugglingPayload[] = [
  started('HTTP/1.0 that creates', 'POST /v1/images HTTP/1.0', { lines: [length], body: json }),
  started('HTTP/1.0 that creates in chunks', 'POST /v1/images HTTP/1.0', {
    lines: [chunked],
    body: chunkedJson,
  }),
  started('HTTP/1.0 in chunks', 'GET /livez HTTP/1.0', { lines: [chunked], body: '0\r\n\r\n' }),
  started('HTTP/1.0 with a length', 'GET /livez HTTP/1.0', { lines: [length], body: json }),
  started('HTTP/1.0 with two Hosts', 'GET /livez HTTP/1.0', { lines: ['host: evil'] }),
  started('HTTP/1.0 of another host', 'GET http://evil/livez HTTP/1.0'),
  started('the target * of GET', 'GET * HTTP/1.1'),
  started('the target * of POST', 'POST * HTTP/1.1', { lines: [length], body: json }),
  { name: 'HTTP/0.9', bytes: 'GET /livez\r\n\r\n' },
  { name: 'the preface of HTTP/2', bytes: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' },
  ...[
    'HTTP/2.0',
    'HTTP/1.2',
    'HTTP/0.9',
    'HTTP/1',
    'HTTP/1.11',
    'HTTP/01.1',
    'http/1.1',
    'HTTP/1,1',
  ].map((version) => started(`version ${version}`, `GET /livez ${version}`)),
  started('ICE/1.0', 'SOURCE /livez ICE/1.0'),
  started('RTSP/1.0', 'POST /v1/images RTSP/1.0', { lines: [length], body: json }),
  started('tab in place of space', 'GET\t/livez\tHTTP/1.1'),
  started('a space behind the version', 'GET /livez HTTP/1.1 '),
  started('a space in the target', 'GET /li vez HTTP/1.1'),
  started('CRLF in the target', 'GET /livez\r\nx: y HTTP/1.1'),
  started('CR in the target', 'GET /livez\rx HTTP/1.1'),
  started('NUL in the target', 'GET /livez\0 HTTP/1.1'),
  started('no slash before the target', 'GET livez HTTP/1.1'),
  started('a method in lower case', 'get /livez HTTP/1.1'),
  started('a method of another protocol', 'RCPT TO:<x> HTTP/1.1'),
  started('CONNECT', 'CONNECT gateway:80 HTTP/1.1'),
  { name: 'LF in place of CRLF', bytes: 'GET /livez HTTP/1.1\nhost: gateway\n\n' },
  { name: 'CR in place of CRLF', bytes: 'GET /livez HTTP/1.1\rhost: gateway\r\r' },
  { name: 'a TLS hello', bytes: '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03' },
];

const bodies: readonly SmugglingPayload[] = [
  started('GET with a length', 'GET /livez HTTP/1.1', { lines: [length], body: json }),
  started('GET in chunks', 'GET /livez HTTP/1.1', { lines: [chunked], body: chunkedJson }),
  started('HEAD with a length', 'HEAD /livez HTTP/1.1', { lines: [length], body: json }),
  started('HEAD in chunks', 'HEAD /livez HTTP/1.1', { lines: [chunked], body: chunkedJson }),
  started('GET that hides a request', 'GET /livez HTTP/1.1', {
    lines: [`content-length: ${smuggledRequest().length}`],
  }),
  started('an expectation that is not met', 'GET /livez HTTP/1.1', { lines: ['expect: 200-ok'] }),
  started('GET in chunks to be asked for', 'GET /livez HTTP/1.1', {
    lines: [chunked, 'expect: 100-continue'],
  }),
  started('GET whose second chunk is not empty', 'GET /livez HTTP/1.1', {
    lines: ['transfer-encoding: Chunked'],
    body: `1\r\n \r\n${chunkedJson}`,
  }),
  started('GET in chunks that hides a request', 'GET /livez HTTP/1.1', {
    lines: [chunked],
    body: `${smuggledRequest().length.toString(16)}\r\n`,
  }),
  started('GET with a body to be asked for', 'GET /livez HTTP/1.1', {
    lines: [length, 'expect: 100-continue'],
    body: json,
  }),
  started('h2c with two lengths', 'POST /v1/images HTTP/1.1', {
    lines: ['connection: upgrade', 'upgrade: h2c', length, chunked],
    body: chunkedJson,
  }),
  started('9 KiB of headers', 'GET /livez HTTP/1.1', { lines: [`x: ${'y'.repeat(9_000)}`] }),
  started('101 header lines', 'GET /livez HTTP/1.1', {
    lines: Array.from({ length: 101 }, (_, index) => `x${index}: y`),
  }),
];

export const smugglingCorpus: readonly SmugglingPayload[] = [
  ...[
    ...twoLengths,
    ...lengths,
    ...codings,
    ...disguises,
    ...chunks,
    ...hosts,
    ...starts,
    ...bodies,
  ],
];
