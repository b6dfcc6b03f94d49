import { exactNumberText } from './exact-number.ts';
import { jsonPointer } from './json-pointer.ts';

const quote = 0x22;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const colon = 0x3a;
const comma = 0x2c;

interface Container {
  readonly isObject: boolean;
  /** Keys seen so far; undefined before the first. */
  keys: Set<string> | undefined;
  /** The key or index that is being read. */
  at: string | number;
}

export interface JsonScan {
  readonly isTooDeep: boolean;
  /** The text with every number that would be rounded put in quotes; undefined when there is none. */
  readonly exactText: string | undefined;
}

export interface JsonScannerOptions {
  readonly depthMax: number;
  /** Called for each key that stands twice in one object; `pointer` is valid during the call only. */
  readonly onDuplicate: (pointer: () => string) => void;
}

/** Finds what JSON.parse does not report about a valid JSON text. One pass, no recursion. */
export class JsonScanner {
  readonly #text: string;
  readonly #options: JsonScannerOptions;
  readonly #containers: Container[] = [];
  #exactText = '';
  #copiedTo = 0;
  #isKeyNext = false;
  /** Index of the next backslash that is not passed yet; the length of the text when there is none. */
  #backslashAt = -1;

  constructor(text: string, options: JsonScannerOptions) {
    this.#text = text;
    this.#options = options;
  }

  scan(): JsonScan {
    let at = 0;
    while (at < this.#text.length) {
      const code = this.#text.charCodeAt(at);
      if (code === quote) at = this.#string(at);
      else if (code === 0x2d || (code >= 0x30 && code <= 0x39)) at = this.#number(at);
      else {
        if (!this.#punctuation(code)) return { isTooDeep: true, exactText: undefined };
        at += 1;
      }
    }
    const isExact = this.#copiedTo === 0;
    return {
      isTooDeep: false,
      exactText: isExact ? undefined : this.#exactText + this.#text.slice(this.#copiedTo),
    };
  }

  /** Returns false when the nesting gets too deep. */
  #punctuation(code: number): boolean {
    const top = this.#containers.at(-1);
    if (code === openBrace || code === openBracket) {
      if (this.#containers.length === this.#options.depthMax) return false;
      const isObject = code === openBrace;
      this.#containers.push({ isObject, keys: undefined, at: 0 });
      this.#isKeyNext = isObject;
    } else if (code === closeBrace || code === closeBracket) {
      this.#containers.pop();
      this.#isKeyNext = false;
    } else if (code === colon) {
      this.#isKeyNext = false;
    } else if (code === comma && top !== undefined) {
      if (typeof top.at === 'number' && !top.isObject) top.at += 1;
      this.#isKeyNext = top.isObject;
    }
    return true;
  }

  #string(start: number): number {
    const end = this.#stringEnd(start);
    if (this.#isKeyNext) {
      const raw = this.#text.slice(start, end);
      // "a" and "\u0061" are one key.
      this.#key(raw.includes('\\') ? (JSON.parse(raw) as string) : raw.slice(1, -1));
    }
    return end;
  }

  /** Index behind the closing quote. Looks for backslashes once in the whole text: most texts have none. */
  #stringEnd(start: number): number {
    let end = this.#text.indexOf('"', start + 1);
    if (this.#backslashAt < start) this.#backslashAt = indexOrEnd(this.#text, '\\', start);
    while (this.#backslashAt < end) {
      const next = this.#backslashAt + 2;
      this.#backslashAt = indexOrEnd(this.#text, '\\', next);
      // The character after a backslash may be the quote that was found.
      if (end < next) end = this.#text.indexOf('"', next);
    }
    return end + 1;
  }

  #key(key: string): void {
    const top = this.#containers.at(-1);
    if (top === undefined) return;
    top.at = key;
    top.keys ??= new Set();
    if (top.keys.has(key)) {
      this.#options.onDuplicate(() => jsonPointer(this.#containers.map(({ at }) => at)));
    }
    top.keys.add(key);
  }

  #number(start: number): number {
    let at = start + 1;
    while (at < this.#text.length && isNumberPart(this.#text.charCodeAt(at))) at += 1;
    const exact = exactNumberText(this.#text.slice(start, at));
    if (exact !== undefined) {
      this.#exactText += `${this.#text.slice(this.#copiedTo, start)}"${exact}"`;
      this.#copiedTo = at;
    }
    return at;
  }
}

function indexOrEnd(text: string, character: string, from: number): number {
  const index = text.indexOf(character, from);
  return index === -1 ? text.length : index;
}

/** A digit or one of `+ - . e E`. */
function isNumberPart(code: number): boolean {
  const isDigit = code >= 0x30 && code <= 0x39;
  return (
    isDigit || code === 0x2b || code === 0x2d || code === 0x2e || code === 0x65 || code === 0x45
  );
}
