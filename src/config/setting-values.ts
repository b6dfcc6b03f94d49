import { z } from 'zod';
import { hostAndPortFromText, hostToListenOnFromText, isLoopbackHost } from '../text/host.ts';
import { imageMediaTypes } from '../text/media-type.ts';
import {
  hostPatternFromText,
  originPatternFromText,
  webOriginFromText,
} from '../text/web-origin.ts';
import { Secret } from './secret.ts';

/**
 * The kinds of values that settings have. A value that ends in a header or in a
 * comparison is brought into one form here, so that nothing later meets the
 * operator's own way of writing it.
 */

/** A value that `read` makes of the text; where that is undefined, the text is wrong. */
function readBy<Value>(read: (text: string) => Value | undefined, error: string) {
  return z.string().transform((text, context): Value => {
    const value = read(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: error });
    return z.NEVER;
  });
}

/** Any text. */
export const text = z.string();

/** A whole number between two bounds. */
export function integer({ min, max }: { readonly min: number; readonly max: number }) {
  return readBy((digits) => {
    const value = /^[0-9]{1,15}$/.test(digits) ? Number(digits) : NaN;
    return value >= min && value <= max ? value : undefined;
  }, `must be a whole number from ${min} to ${max}`);
}

export const port = integer({ min: 0, max: 65_535 });

const flagWords: ReadonlyMap<string, boolean> = new Map([
  ...['true', '1', 'yes', 'on'].map((word) => [word, true] as const),
  ...['false', '0', 'no', 'off'].map((word) => [word, false] as const),
]);

/** `true` or `false`, or another word for it. */
export const flag = readBy((word) => flagWords.get(word.toLowerCase()), 'must be true or false');

/** One of these names, in upper or lower case. */
export function choice<const Name extends string>(...names: readonly Name[]) {
  return readBy(
    (word) => names.find((name) => name === word.toLowerCase()),
    `must be ${names.slice(0, -1).join(', ')} or ${names.at(-1)}`,
  );
}

/** A secret. Visible ASCII, because it is sent in a header. A scheme in front of it (`Bearer `) is kept. */
export const secret = readBy(
  (value) =>
    /^(?:(?:bearer|api-key) +)?[\x21-\x7e]+$/i.test(value) ? new Secret(value) : undefined,
  'must be visible ASCII without spaces',
);

/** The secret that operation ids are sealed with. */
export const sealSecret = secret.refine((value) => value.reveal().length >= 32, {
  error: 'must have at least 32 characters',
});

/** The host of a server of ours. */
export const host = readBy(
  hostToListenOnFromText,
  'must be an IP address or a host name, without a port; 0.0.0.0 or :: is every address',
);

/** Where a gRPC service is: `host:port`, or `http://host:port`. */
export const address = readBy(
  addressFromText,
  'must be host:port for TLS, or http://host:port for plaintext, with a port from 1 to 65535',
);

/** The same, or `embedded`. */
export const addressOrEmbedded = readBy(
  (value) => (value.toLowerCase() === 'embedded' ? 'embedded' : addressFromText(value)),
  'must be host:port for TLS, http://host:port for plaintext, or embedded; a port is from 1 to 65535',
);

function addressFromText(value: string): string | undefined {
  const lowered = value.replace(/^https?:\/\//i, (scheme) => scheme.toLowerCase());
  const address = lowered.replace(/\/$/, '');
  return hostAndPortFromText(address) === undefined ? undefined : address;
}

/** Base URL of an HTTP server. A query is kept, a user name is refused: it would be a secret in an address. */
export const httpUrl = readBy((value) => {
  if (/[#@\\\s]/.test(value) || !/^https?:\/\/[^/]/i.test(value) || !URL.canParse(value)) {
    return undefined;
  }
  return new URL(value);
}, 'must be an http or https URL such as http://127.0.0.1:8000, without user name or fragment');

/** Headers that an HTTP client sets by itself, or that hold a credential. */
const reservedHeaders: ReadonlySet<string> = new Set([
  ...['host', 'content-length', 'content-type', 'transfer-encoding', 'connection', 'upgrade'],
  ...['accept-encoding', 'authorization', 'expect', 'keep-alive', 'te', 'trailer'],
]);

/** Headers as `Name=value`, separated by commas. */
export const headerPairs = readBy((value): Readonly<Record<string, string>> | undefined => {
  const pairs = itemsOf(value).map(
    (item) => /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)=([\x20-\x7e]*)$/.exec(item) ?? [],
  );
  const isRight = pairs.every(
    ([, name = '']) => name !== '' && !reservedHeaders.has(name.toLowerCase()),
  );
  if (!isRight) return undefined;
  return Object.fromEntries(pairs.map(([, name = '', text = '']) => [name.toLowerCase(), text]));
}, 'must be Name=value separated by commas, without headers of the connection, the body or the credential');

/** A JSON object. */
export const jsonObject = readBy((value) => {
  const parsed = z.record(z.string(), z.unknown()).safeParse(jsonFrom(value));
  return parsed.success && !Array.isArray(jsonFrom(value)) ? parsed.data : undefined;
}, 'must be a JSON object');

/** The prefix of links: an http(s) URL without a slash at its end. */
export const publicUrl = readBy((value) => {
  if (/[?#@\\\s]/.test(value) || !/^https?:\/\//i.test(value) || !URL.canParse(value)) {
    return undefined;
  }
  const { origin, pathname } = new URL(value);
  return `${origin}${pathname.replace(/\/+$/, '')}`;
}, 'must be an http or https URL such as https://images.example.org, without query, fragment or user name');

/** Patterns of origins, in the form that `isOriginAmong` takes, or `*` for every origin. */
export const corsOrigins = readBy((value) => {
  if (value === '*') return value;
  const patterns = itemsOf(value).map(originPatternFromText);
  return patterns.every((pattern) => pattern !== undefined) ? patterns : undefined;
}, 'must be * or origins such as https://app.example.com, https://*.example.com or tauri://localhost, separated by commas; one with a path, https://*.com and * in another place can never match');

/** Patterns of host names, as those of their http origins. */
export const hosts = readBy((value) => {
  const patterns = itemsOf(value).map(hostPatternFromText);
  return patterns.every((pattern) => pattern !== undefined) ? patterns : undefined;
}, 'must be host names such as images.example.com or *.example.com, separated by commas, without scheme or port');

/** URL of a JWK set. Over plain http, keys could be replaced on the way. */
export const jwksUrl = readBy((value) => {
  if (!URL.canParse(value)) return undefined;
  const { protocol, hostname, username, password, href } = new URL(value);
  const isSafe = protocol === 'https:' || (protocol === 'http:' && isLoopbackHost(hostname));
  return isSafe && username === '' && password === '' ? href : undefined;
}, 'must be an https URL, or an http URL on loopback, without a user name');

/** URL of a Redis or Valkey server. A secret, because it may hold a password. */
export const storeUrl = readBy(storeUrlFromText, 'must be redis://host:port, or rediss:// for TLS');

export function storeUrlFromText(value: string): Secret | undefined {
  const isUrl = /^rediss?:\/\/[^\s/]+/i.test(value) && URL.canParse(value);
  return isUrl && new URL(value).hostname !== '' ? new Secret(value) : undefined;
}

const instanceMetadataOrigin = 'http://169.254.169.254';

/** Origin of the metadata service; undefined for `false`. */
export const metadataService = z.string().transform((value, context) => {
  const isOn = flagWords.get(value.toLowerCase());
  if (isOn !== undefined) return isOn ? instanceMetadataOrigin : undefined;
  const origin = webOriginFromText(value);
  if (origin?.startsWith('http://') === true) return origin;
  context.addIssue({ code: 'custom', message: 'must be true, false or an http:// origin' });
  return z.NEVER;
});

/** Names with commas between them. */
export const names = readBy((value) => {
  const list = itemsOf(value);
  return list.includes('') ? undefined : list;
}, 'must be a comma-separated list of names');

export const mediaTypes = readBy(
  (value) => {
    const types = itemsOf(value.toLowerCase()).map((item) =>
      imageMediaTypes.find((type) => type === item),
    );
    return types.every((type) => type !== undefined) ? types : undefined;
  },
  `must be a comma-separated list of ${imageMediaTypes.join(', ')}`,
);

const modelPattern = /^(?:art:\/\/[^\s/"*]+\/)?[^\s/"*:]+(?:\/[^\s/"*]+)?$/;

/** A model as configuration names it. */
export const modelName = readBy(
  (value) => (modelPattern.test(value) ? value : undefined),
  'must be a model name, name/version, or art://folder/name/version',
);

/** A JSON object of models by the gateway's own names for them. */
export const modelsByName = jsonMap(
  z.string().regex(modelPattern),
  'model names: a name, name/version, or art://folder/name/version each',
);

/** A JSON object of positive whole numbers. */
export const countsByName = jsonMap(z.int().positive(), 'positive whole numbers');

function jsonMap<Item extends z.ZodType>(item: Item, what: string) {
  return readBy((value): ReadonlyMap<string, z.output<Item>> | undefined => {
    const result = z.record(z.string(), item).safeParse(jsonFrom(value));
    return result.success ? new Map(Object.entries(result.data)) : undefined;
  }, `must be a JSON object of ${what}`);
}

function jsonFrom(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

function itemsOf(value: string): string[] {
  return value.split(',').map((item) => item.trim());
}
