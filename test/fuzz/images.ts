import sharp from 'sharp';

const size = { width: 7, height: 5 };
const background = { r: 200, g: 60, b: 20, alpha: 0.5 };
const drawing = () => sharp({ create: { ...size, channels: 4, background } });

/** Small real images of every kind that is served. */
export function realImages(): Promise<readonly Buffer[]> {
  return Promise.all([
    drawing().jpeg().toBuffer(),
    drawing()
      .jpeg({ progressive: true })
      .withExif({ IFD0: { Copyright: 'x' } })
      .toBuffer(),
    drawing().png().toBuffer(),
    drawing().webp({ lossless: true }).toBuffer(),
    drawing().webp({ lossless: false, alphaQuality: 50 }).toBuffer(),
    drawing().removeAlpha().webp({ lossless: false }).toBuffer(),
    drawing().gif().toBuffer(),
    drawing().avif().toBuffer(),
  ]);
}
