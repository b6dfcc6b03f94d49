/** The parts of a file that are kept, in order; parts that adjoin are one. */
export class KeptBytes {
  readonly #bytes: Uint8Array;
  readonly #parts: Uint8Array[] = [];
  #from = 0;
  #to = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Keeps a part of the file. */
  keep(from: number, to: number): void {
    if (from !== this.#to) {
      this.#flush();
      this.#from = from;
    }
    this.#to = to;
  }

  /** Puts bytes of ours at this place. */
  add(bytes: Uint8Array): void {
    this.#flush();
    this.#from = this.#to;
    this.#parts.push(bytes);
  }

  /** The file itself where all of it was kept. */
  join(): Uint8Array {
    this.#flush();
    const [only] = this.#parts;
    if (this.#parts.length === 1 && only?.length === this.#bytes.length) return this.#bytes;
    const joined = new Uint8Array(this.#parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of this.#parts) {
      joined.set(part, at);
      at += part.length;
    }
    return joined;
  }

  #flush(): void {
    if (this.#to > this.#from) this.#parts.push(this.#bytes.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }
}
