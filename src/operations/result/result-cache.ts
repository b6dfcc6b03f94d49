/**
 * The bytes of finished images by operation, bounded by their size; the least
 * recently used go first. An image larger than the whole cache is not kept.
 */
export class ResultCache {
  readonly #bytesMax: number;
  readonly #images = new Map<string, Uint8Array>();
  #bytes = 0;
  #hits = 0;
  #misses = 0;

  constructor(options: { readonly bytesMax: number }) {
    this.#bytesMax = options.bytesMax;
  }

  /** Bytes of all kept images together. */
  get byteLength(): number {
    return this.#bytes;
  }

  /** How many of the images asked for were in the cache, and how many were not. */
  get asked(): { readonly hits: number; readonly misses: number } {
    return { hits: this.#hits, misses: this.#misses };
  }

  get(key: string): Uint8Array | undefined {
    const image = this.#images.get(key);
    if (image === undefined) {
      this.#misses += 1;
      return undefined;
    }
    this.#hits += 1;
    // A Map iterates in order of insertion: put last what was used last.
    this.#images.delete(key);
    this.#images.set(key, image);
    return image;
  }

  set(key: string, image: Uint8Array): void {
    this.delete(key);
    // A view keeps the whole received frame alive, so the frame's size counts.
    const heldBytes = heldBytesOf(image);
    if (heldBytes > this.#bytesMax) return;
    this.#images.set(key, image);
    this.#bytes += heldBytes;
    this.shrinkTo(this.#bytesMax);
  }

  /** Forgets the least recently used images until at most so many bytes are left. */
  shrinkTo(bytes: number): void {
    for (const oldest of this.#images.keys()) {
      if (this.#bytes <= bytes) break;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    const image = this.#images.get(key);
    if (image === undefined) return;
    this.#images.delete(key);
    this.#bytes -= heldBytesOf(image);
  }
}

function heldBytesOf(image: Uint8Array): number {
  return image.buffer.byteLength;
}
