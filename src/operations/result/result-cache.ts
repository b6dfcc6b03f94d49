/**
 * Finished pictures by operation, bounded by their bytes; the least recently
 * used go first. A picture larger than the whole cache is not kept.
 */
export class ResultCache {
  readonly #bytesMax: number;
  readonly #pictures = new Map<string, Uint8Array>();
  #bytes = 0;
  #hits = 0;
  #misses = 0;

  constructor(options: { readonly bytesMax: number }) {
    this.#bytesMax = options.bytesMax;
  }

  /** Bytes of all kept pictures together. */
  get byteLength(): number {
    return this.#bytes;
  }

  /** How many of the pictures asked for were here, and how many not. */
  get asked(): { readonly hits: number; readonly misses: number } {
    return { hits: this.#hits, misses: this.#misses };
  }

  get(key: string): Uint8Array | undefined {
    const picture = this.#pictures.get(key);
    if (picture === undefined) {
      this.#misses += 1;
      return undefined;
    }
    this.#hits += 1;
    // A Map iterates in order of insertion: put last what was used last.
    this.#pictures.delete(key);
    this.#pictures.set(key, picture);
    return picture;
  }

  set(key: string, picture: Uint8Array): void {
    this.delete(key);
    // The frame a view stands on is kept alive with it, so that is what counts.
    const heldBytes = heldBytesOf(picture);
    if (heldBytes > this.#bytesMax) return;
    this.#pictures.set(key, picture);
    this.#bytes += heldBytes;
    this.shrinkTo(this.#bytesMax);
  }

  /** Forgets the least recently used until no more than so many bytes are left. */
  shrinkTo(bytes: number): void {
    for (const oldest of this.#pictures.keys()) {
      if (this.#bytes <= bytes) break;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    const picture = this.#pictures.get(key);
    if (picture === undefined) return;
    this.#pictures.delete(key);
    this.#bytes -= heldBytesOf(picture);
  }
}

function heldBytesOf(picture: Uint8Array): number {
  return picture.buffer.byteLength;
}
