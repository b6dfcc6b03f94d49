/** The media types of the images that the gateway serves. The upstream makes some of them. */
export const imageMediaTypes = [
  'image/jpeg',
  'image/png',
  'image/webp',
  'image/gif',
  'image/avif',
] as const;

export type ImageMediaType = (typeof imageMediaTypes)[number];

/** `image/jpg` is no registered name, but the one that many people and clients write. */
export function registeredMediaType(name: string): string {
  const lower = name.toLowerCase();
  return lower === 'image/jpg' || lower === 'jpg' ? 'image/jpeg' : lower;
}
