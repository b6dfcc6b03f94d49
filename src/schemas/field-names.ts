import type { Violation } from '../errors/gateway-error.ts';

/**
 * The field names of a body, as a tree in camelCase: a leaf is `true`, an object
 * has its fields, an array is a list of one tree.
 */
export interface FieldTree {
  readonly [name: string]: FieldTree | readonly [FieldTree] | true;
}

type Json = unknown;
type JsonObject = Readonly<Record<string, Json>>;

/** `negativePrompt` → `negative_prompt`, the name of the same field in the proto file. */
export function snakeFromCamel(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** One segment of a JSON pointer, escaped (RFC 6901). */
export function pointerSegment(segment: string | number): string {
  return String(segment).replaceAll('~', '~0').replaceAll('/', '~1');
}

export interface CanonicalBody {
  readonly value: Json;
  /** Unknown fields, and fields that the body has in camelCase and in snake_case at once. */
  readonly violations: readonly Violation[];
}

/**
 * A body with every known field in camelCase and every `null` left out, as
 * proto3 JSON reads both. Unknown fields are left out and listed, so that the
 * caller of this function decides whether they are refused or ignored.
 */
export function canonicalBody(fields: FieldTree, body: Json): CanonicalBody {
  const violations: Violation[] = [];
  const value = canonicalValue(fields, body, '#', violations);
  return { value, violations };
}

function canonicalValue(
  fields: FieldTree | readonly [FieldTree] | true,
  value: Json,
  pointer: string,
  violations: Violation[],
): Json {
  if (fields === true) return value;
  if (Array.isArray(fields)) {
    const [element] = fields as readonly [FieldTree];
    if (!Array.isArray(value)) return value;
    return value.map((item, index) =>
      canonicalValue(element, item, `${pointer}/${index}`, violations),
    );
  }
  if (!isObject(value)) return value;
  return canonicalObject(fields as FieldTree, value, pointer, violations);
}

/** The names of each tree, made once: trees are constants. */
const camelNamesOfTree = new WeakMap<FieldTree, ReadonlyMap<string, string>>();

function camelNames(fields: FieldTree): ReadonlyMap<string, string> {
  const known = camelNamesOfTree.get(fields);
  if (known !== undefined) return known;
  const names = new Map(Object.keys(fields).map((name) => [snakeFromCamel(name), name]));
  camelNamesOfTree.set(fields, names);
  return names;
}

function canonicalObject(
  fields: FieldTree,
  value: JsonObject,
  pointer: string,
  violations: Violation[],
) {
  const camelOf = camelNames(fields);
  const entries: [string, Json][] = [];
  const writtenAs = new Map<string, string>();
  for (const [key, item] of Object.entries(value)) {
    const name = Object.hasOwn(fields, key) ? key : camelOf.get(key);
    const place = `${pointer}/${pointerSegment(key)}`;
    const subtree = name === undefined ? undefined : fields[name];
    if (name === undefined || subtree === undefined) {
      violations.push({ pointer: place, code: 'unknown_field', detail: 'this name is not known' });
      continue;
    }
    if (item === null) continue;
    const other = writtenAs.get(name);
    if (other !== undefined) {
      violations.push({
        pointer: place,
        code: 'both_spellings',
        detail: `${other} and ${key} are two names of one field: send one`,
      });
      continue;
    }
    writtenAs.set(name, key);
    entries.push([name, canonicalValue(subtree, item, place, violations)]);
  }
  return Object.fromEntries(entries);
}

/**
 * The JSON pointer of a path, with the field names as the caller wrote them.
 *
 * @param path in camelCase, as a schema reports it.
 * @param body as it was sent.
 */
export function pointerFromPath(path: readonly PropertyKey[], body: Json): string {
  let pointer = '#';
  let value: Json = body;
  for (const segment of path) {
    const key = typeof segment === 'number' ? segment : String(segment);
    let written: string | number = key;
    if (isObject(value) && typeof key === 'string' && !Object.hasOwn(value, key)) {
      const snake = snakeFromCamel(key);
      if (Object.hasOwn(value, snake)) written = snake;
    }
    pointer += `/${pointerSegment(written)}`;
    value = isObject(value) || Array.isArray(value) ? (value as JsonObject)[written] : undefined;
  }
  return pointer;
}
