/** The media types of the images that the gateway serves. The upstream makes some of them. */
export const imageMediaTypes = [
  'image/jpeg',
  'image/png',
  'image/webp',
  'image/gif',
  'image/avif',
] as const;

export type ImageMediaType = (typeof imageMediaTypes)[number];
