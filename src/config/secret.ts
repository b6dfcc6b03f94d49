const inspect = Symbol.for('nodejs.util.inspect.custom');

/**
 * A text that must not be printed. Turning it into a string, JSON or a log line
 * gives `[redacted]`; only `reveal` gives the text.
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
