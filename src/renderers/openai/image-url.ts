import { isIP } from 'node:net';
import { exchange, type HttpEnd } from '../http-exchange.ts';
import { noImage, wholeImageFromBytes, type WholeImage } from '../image-from-bytes.ts';
import { isPublicAddress, NotPublicError, publicLookup, type Resolve } from '../public-address.ts';
import { RendererError } from '../renderer.ts';

/** Where the images of a backend may be: below its own origin, or anywhere on the public internet. */
export type UrlRule = 'own_origin' | 'public';

export interface ImageFetchOptions {
  /** Of the backend; its origin alone may be private. */
  readonly backend: URL;
  readonly rule: UrlRule;
  readonly imageBytesMax: number;
  readonly ca: string | undefined;
  readonly signal: AbortSignal;
  /** In place of DNS. */
  readonly resolve?: Resolve;
}

const timeoutMs = 30_000;
const redirectsMax = 3;

/**
 * Fetches the image that a backend made, by a GET without a credential.
 *
 * @returns `lost` where it is there no more, `later` where it may be fetched another time.
 * @throws RendererError `no_image` for an address that is not gone to, and for what is no image.
 */
export async function imageFromUrl(
  text: string,
  options: ImageFetchOptions,
): Promise<WholeImage | 'lost' | 'later'> {
  let url = allowedUrl(text, options);
  const { host } = url;
  for (let redirects = 0; ; redirects += 1) {
    const result = resultOf(await get(url, options));
    if (typeof result === 'string' || !('location' in result)) return result;
    if (!URL.canParse(result.location, url.href)) throw notGoneTo();
    const next = allowedUrl(new URL(result.location, url).href, options);
    if (redirects === redirectsMax || next.host !== host) throw notGoneTo();
    url = next;
  }
}

function get(url: URL, { backend, imageBytesMax, ca, signal, resolve }: ImageFetchOptions) {
  const isOwn = url.origin === backend.origin;
  return exchange({
    ...{ method: 'GET', url, timeoutMs, signal },
    headers: { accept: 'image/*' },
    bytesMax: imageBytesMax,
    ca: isOwn ? ca : undefined,
    ...(isOwn ? {} : { lookup: publicLookup(resolve) }),
  });
}

/** @throws RendererError */
function allowedUrl(text: string, { backend, rule }: ImageFetchOptions): URL {
  const url = URL.canParse(text, backend.href) ? new URL(text, backend) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw notGoneTo();
  // A server behind a proxy names itself as it sees itself, which may be anything.
  if (rule === 'own_origin') return new URL(`${url.pathname}${url.search}`, backend.origin);
  if (url.origin === backend.origin) return withoutUser(url);
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const isPublic = isIP(host) === 0 || isPublicAddress(host);
  if (url.protocol !== 'https:' || url.port !== '' || !isPublic) throw notGoneTo();
  return withoutUser(url);
}

function withoutUser(url: URL): URL {
  if (url.username !== '' || url.password !== '') throw notGoneTo();
  return url;
}

function resultOf(end: HttpEnd): WholeImage | 'lost' | 'later' | { readonly location: string } {
  switch (end.kind) {
    case 'not_sent':
      if (causeIsNotPublic(end.cause)) throw notGoneTo();
      return 'later';
    case 'lost':
      return 'later';
    case 'too_large':
      throw noImage('the image is larger than an image may be');
    case 'response':
      break;
  }
  const { status, headers, body } = end;
  if (status >= 300 && status < 400) return { location: headers['location'] ?? '' };
  if (status === 408 || status === 425 || status === 429 || status >= 500) return 'later';
  if (status >= 400) return 'lost';
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') {
    throw noImage('the image was sent compressed, which was not asked for');
  }
  return wholeImageFromBytes(body);
}

function causeIsNotPublic(error: Error): boolean {
  const inner = error instanceof AggregateError ? error.errors : [error];
  return inner.some((each) => each instanceof NotPublicError);
}

function notGoneTo(): RendererError {
  return noImage('the image model returned an address that is not gone to');
}
