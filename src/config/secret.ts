const inspect = Symbol.for('nodejs.util.inspect.custom');

/**
 * A text that must never be printed. As a string, in JSON or in a log line it
 * is `[redacted]`; only `reveal` returns the text.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return '[redacted]';
  }

  toJSON(): string {
    return '[redacted]';
  }

  [inspect](): string {
    return '[redacted]';
  }
}
