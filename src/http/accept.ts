import { registeredMediaType } from '../text/media-type.ts';

/** The representation chosen for a request by its Accept header. */
export interface Negotiated {
  readonly form: 'json' | 'image' | 'events';
  /** The image type that the header names, or leaves when it likes the usual one less; undefined where the usual one will do. */
  readonly mediaType: string | undefined;
  /** Whether the caller takes JSON as well. */
  readonly acceptsJson: boolean;
}

interface MediaRange {
  readonly type: string;
  readonly subtype: string;
  readonly quality: number;
}

const rangePattern = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)\/([!#$%&'*+.^_`|~0-9A-Za-z-]+)$/;
const qualityPattern = /^q\s*=\s*(0|0?\.[0-9]+|0\.|1(?:\.0*)?)$/i;
const rangesMax = 64;

/**
 * Chooses between JSON, an image and events (RFC 9110, section 12.5.1): the
 * highest q wins; where they tie, the first of them in this order.
 *
 * No Accept, `*`/`*` and whatever lists text/html are JSON: that is what curl,
 * generated clients and a browser's address bar send. Undefined when nothing
 * that is asked for can be made. `any`: the image exists already, and is
 * delivered even where the caller asked for another image type.
 */
export function negotiate(
  accept: string | undefined,
  imageMediaTypes: readonly string[] | 'any',
): Negotiated | undefined {
  const ranges = rangesFromAccept(accept);
  const isBrowser = ranges.some(({ type, subtype }) => type === 'text' && subtype === 'html');
  if (accept === undefined || accept.trim() === '' || isBrowser) {
    return { form: 'json', mediaType: undefined, acceptsJson: true };
  }
  const json = qualityOf(ranges, 'application/json').quality;
  const best = bestImage(ranges, imageMediaTypes);
  const image = best?.quality ?? 0;
  const events = qualityOf(ranges, 'text/event-stream').quality;
  if (json === 0 && image === 0 && events === 0) {
    // Some generated clients name only the type of the errors that they can read.
    const takesProblems = qualityOf(ranges, 'application/problem+json').quality > 0;
    return takesProblems ? { form: 'json', mediaType: undefined, acceptsJson: true } : undefined;
  }
  if (events > Math.max(json, image)) {
    return { form: 'events', mediaType: undefined, acceptsJson: json > 0 };
  }
  if (json >= image) return { form: 'json', mediaType: undefined, acceptsJson: true };
  return {
    form: 'image',
    mediaType: best?.isNamed === true ? best.mediaType : undefined,
    acceptsJson: json > 0,
  };
}

interface WantedImage {
  readonly mediaType: string;
  readonly quality: number;
  /** Whether the header wants this type, and not just any: `image/jpeg;q=0, image/*` is not JPEG. */
  readonly isNamed: boolean;
}

/** The image type with the highest q, the first of several. `any`: every type that the header names is possible. */
function bestImage(
  ranges: readonly MediaRange[],
  imageMediaTypes: readonly string[] | 'any',
): WantedImage | undefined {
  const candidates =
    imageMediaTypes === 'any'
      ? ['image/*', ...ranges.filter(isImage).map(({ type, subtype }) => `${type}/${subtype}`)]
      : imageMediaTypes;
  let best: WantedImage | undefined;
  for (const mediaType of candidates) {
    const { quality, isConcrete } = qualityOf(ranges, mediaType);
    const isNamed = isConcrete || mediaType !== candidates[0];
    if (best === undefined || quality > best.quality) best = { mediaType, quality, isNamed };
  }
  return best;
}

function isImage({ type }: MediaRange): boolean {
  return type === 'image';
}

/** The q of one media type, 0 … 1; the most specific range of the header decides. */
export function acceptQuality(accept: string | undefined, mediaType: string): number {
  if (accept === undefined || accept.trim() === '') return 1;
  return qualityOf(rangesFromAccept(accept), mediaType).quality;
}

function rangesFromAccept(accept: string | undefined): readonly MediaRange[] {
  return (accept ?? '').split(',', rangesMax).flatMap((item) => {
    const [range = '', ...parameters] = item.split(';').map((part) => part.trim());
    // Java's own client writes a single star.
    const match = rangePattern.exec(range === '*' ? '*/*' : range);
    if (match === null) return [];
    const weight = parameters.find((parameter) => /^q\s*=/i.test(parameter));
    const quality = weight === undefined ? 1 : qualityFromParameter(weight);
    const [type = '', subtype = ''] = registeredMediaType(match[0]).split('/');
    return [{ type, subtype, quality }];
  });
}

/** 1 for a weight that can't be read: a caller that names a type wants it. */
function qualityFromParameter(parameter: string): number {
  const text = qualityPattern.exec(parameter)?.[1];
  return text === undefined ? 1 : Number(text);
}

function qualityOf(ranges: readonly MediaRange[], mediaType: string) {
  const [type = '', subtype = ''] = mediaType.split('/');
  let specificity = -1;
  let quality = 0;
  for (const range of ranges) {
    const level = specificityOf(range, type, subtype);
    if (level > specificity) {
      specificity = level;
      quality = range.quality;
    }
  }
  return { quality, isConcrete: specificity === 2 };
}

function specificityOf(range: MediaRange, type: string, subtype: string): number {
  if (range.type === type && range.subtype === subtype) return 2;
  if (range.type === type && range.subtype === '*') return 1;
  return range.type === '*' && range.subtype === '*' ? 0 : -1;
}
