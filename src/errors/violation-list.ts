/** One thing that is wrong with a request. Exactly one of `pointer`, `parameter` and `header` says where. */
export interface Violation {
  /** JSON pointer into the body, as a URI fragment: `#/messages/0/text`. With the field names as the caller wrote them. */
  readonly pointer?: string;
  /** Name of a query parameter. */
  readonly parameter?: string;
  /** Name of a header. */
  readonly header?: string;
  /** The kind of violation, as one word: `type`, `pattern`, `required`, `unknown_field`, … */
  readonly code: string;
  /** What was expected. Shown to the caller. */
  readonly detail: string;
}

/** Most violations in one response. */
const violationsMax = 32;
/** Most bytes of all violations of a response together, and so nearly of the response. */
const bytesMax = 3_072;

/**
 * The violations of one request, bounded: a body can have thousands, and the
 * response would be larger than the body. Those beyond the bounds are counted.
 */
export class ViolationList {
  readonly #kept: Violation[] = [];
  #bytes = 0;
  #count = 0;
  #isOnlyUnknownFields = true;

  /** Adds a violation. @param place is called only where the violation is kept: making a place costs time. */
  add(
    { code, detail }: Pick<Violation, 'code' | 'detail'>,
    place: () => Pick<Violation, 'pointer' | 'parameter' | 'header'>,
  ): void {
    this.#count += 1;
    if (code !== 'unknown_field') this.#isOnlyUnknownFields = false;
    if (this.#kept.length === violationsMax || this.#bytes >= bytesMax) return;
    const violation = { ...place(), code, detail };
    this.#bytes += bytesOf(violation);
    if (this.#kept.length === 0 || this.#bytes <= bytesMax) this.#kept.push(violation);
  }

  /** How many were added. */
  get count(): number {
    return this.#count;
  }

  /** The first of them, as many as the bounds allow; at least one where one was added. */
  get kept(): readonly Violation[] {
    return this.#kept;
  }

  /** Whether all that were added are unknown fields. */
  get isOnlyUnknownFields(): boolean {
    return this.#isOnlyUnknownFields;
  }
}

const ascii = /^[\x20-\x7e]*$/;
/** Of a character that JSON escapes: `\u0001`. */
const bytesPerCharacterMax = 6;

/** Bytes of a violation in JSON, or more. */
function bytesOf({ pointer = '', parameter = '', code, detail }: Violation): number {
  const text = pointer + parameter + code + detail;
  return ascii.test(text) ? text.length : text.length * bytesPerCharacterMax;
}

/** The first of the violations, as many as a response may have. */
export function boundedViolations(violations: readonly Violation[]): readonly Violation[] {
  const list = new ViolationList();
  for (const { code, detail, ...place } of violations) list.add({ code, detail }, () => place);
  return list.kept;
}
