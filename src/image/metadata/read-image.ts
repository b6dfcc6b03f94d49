/** An image whose structure was read to its end. */
export interface ReadImage {
  /** The image without metadata, its pixels untouched; all of it where it is signed. */
  readonly bytes: Uint8Array;
  /** Whether it carries C2PA: signed provenance, which any change of the file would break. */
  readonly hasC2pa: boolean;
}
