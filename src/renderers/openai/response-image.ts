import { z } from 'zod';
import { imageBytesFromBase64Text } from '../../image/base64-image.ts';
import type { HttpResponse } from '../http-exchange.ts';
import { noImage, wholeImageFromBytes, type WholeImage } from '../image-from-bytes.ts';
import { moderatedMessage } from '../moderation.ts';
import { RendererError } from '../renderer.ts';

const text = z.string().optional().catch(undefined);
const entry = z.looseObject({
  b64_json: text,
  url: text,
  respect_moderation: z.boolean().optional().catch(undefined),
});
const document = z.looseObject({
  data: z.array(z.unknown()),
  respect_moderation: z.boolean().optional().catch(undefined),
});

/**
 * The image in a successful response, or where it is to be fetched.
 *
 * @throws RendererError `no_image`, `moderated`, or `unknown` for a response that may have been cut.
 */
export function imageFromResponse(
  response: HttpResponse,
  imageBytesMax: number,
): WholeImage | { readonly url: string } {
  const { headers, body } = response;
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') {
    throw noImage('the image model returned a compressed response, which was not asked for');
  }
  if ((headers['content-type'] ?? '').startsWith('image/')) return rawImage(body, imageBytesMax);
  const parsed = document.safeParse(jsonFrom(response));
  if (!parsed.success) throw noImage('the image model returned no list of images');
  const { data, respect_moderation: respects } = parsed.data;
  const first = entry.safeParse(data[0]).data;
  if (data.length === 0 || respects === false || first?.respect_moderation === false) {
    throw new RendererError('moderated', moderatedMessage, { isSpent: true });
  }
  const source = first?.b64_json || first?.url || '';
  if (/^https?:\/\//i.test(source) || (source.startsWith('/') && !first?.b64_json)) {
    return { url: source };
  }
  return imageFromText(source, imageBytesMax);
}

function rawImage(bytes: Buffer, imageBytesMax: number): WholeImage {
  if (bytes.length > imageBytesMax) {
    throw noImage('the image model returned more bytes than an image may have');
  }
  return wholeImageFromBytes(bytes);
}

/** @param source Base64, or a data URL. */
function imageFromText(source: string, imageBytesMax: number): WholeImage {
  if (source === '') throw noImage('the image model returned no image');
  const limits = { imageBytesMax };
  const bytes = imageBytesFromBase64Text(Buffer.from(source, 'latin1'), limits);
  if (bytes === undefined) throw noImage('the image model returned no base64 of an image');
  return wholeImageFromBytes(bytes);
}

function jsonFrom({ body, isFramed }: HttpResponse): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    if (isFramed) throw noImage('the image model returned something that is no JSON');
    // It ends where the connection did, and no one can tell whether that was its end.
    throw new RendererError('unknown', 'the response of the image model may have been cut', {
      lossCause: 'reset',
      attemptsMax: 3,
    });
  }
}
