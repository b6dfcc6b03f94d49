import type { Metadata, Sharp } from 'sharp';

/** What a conversion can't carry over. */
export type Loss = 'c2pa' | 'animation' | 'transparency' | 'bit_depth' | 'color_profile';

/** What a conversion says before the bytes of the image. */
export type ConversionHead = { readonly lost: readonly Loss[] } | { readonly failure: string };

export interface Conversion {
  readonly head: ConversionHead;
  readonly bytes: Uint8Array;
}

export interface ConversionOptions {
  /** Of the image that is wanted. */
  readonly mediaType: string;
  /** An image with more is not decoded. */
  readonly pixelsMax: number;
}

const loaders = ['Jpeg', 'Png', 'Webp'].map((name) => `VipsForeignLoad${name}Buffer`);

/** Converts an image of JPEG, PNG or WebP to another of these types; its first page alone, upright, in sRGB. */
export async function convert(
  input: Uint8Array,
  { mediaType, pixelsMax }: ConversionOptions,
): Promise<Conversion> {
  const { default: sharp } = await import('sharp');
  // The bytes are a stranger's: of all the loaders there are, only these three meet them.
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({ operation: loaders });
  sharp.concurrency(1);
  sharp.cache(false);
  const opened = () => sharp(input, { limitInputPixels: pixelsMax, failOn: 'error', page: 0 });
  try {
    const metadata = await opened().metadata();
    const isOpaque = !metadata.hasAlpha || (await opened().stats()).isOpaque;
    const image = opened().autoOrient().toColourspace('srgb');
    const bytes = await encoded(image, mediaType).toBuffer();
    return { head: { lost: lossesOf(metadata, mediaType, isOpaque) }, bytes };
  } catch (error) {
    // Words about the bytes, not their contents.
    const failure = error instanceof Error ? error.message.slice(0, 200) : 'not decoded';
    return { head: { failure }, bytes: new Uint8Array() };
  }
}

function encoded(image: Sharp, mediaType: string): Sharp {
  switch (mediaType) {
    case 'image/jpeg':
      return image.flatten({ background: '#ffffff' }).jpeg({
        quality: 92,
        chromaSubsampling: '4:4:4',
      });
    case 'image/png':
      return image.png({ compressionLevel: 6 });
    case 'image/webp':
      return image.webp({ quality: 92, effort: 2 });
    default:
      throw new Error(`${mediaType} is not made`);
  }
}

function lossesOf(metadata: Metadata, mediaType: string, isOpaque: boolean): readonly Loss[] {
  const { pages = 1, depth, space } = metadata;
  const losses: Readonly<Record<Exclude<Loss, 'c2pa'>, boolean>> = {
    animation: pages > 1,
    transparency: mediaType === 'image/jpeg' && !isOpaque,
    bit_depth: depth !== undefined && depth !== 'uchar',
    color_profile: space === 'cmyk' || isWideGamut(metadata.icc),
  };
  return (Object.keys(losses) as Exclude<Loss, 'c2pa'>[]).filter((name) => losses[name]);
}

/** Whether colours may lie outside sRGB, to which they are brought. A profile says its name in ASCII or in UTF-16. */
function isWideGamut(profile: Buffer | undefined): boolean {
  if (profile === undefined) return false;
  const text = profile.toString('latin1').replaceAll('\0', '');
  return !text.includes('sRGB');
}
