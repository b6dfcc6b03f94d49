import type { Violation } from '../errors/gateway-error.ts';

/**
 * The names a body may use, as a tree: a leaf is `true`, an object its fields,
 * an array a list of one. camelCase throughout.
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
  /** Unknown fields, and fields that stand in the body in both spellings at once. */
  readonly faults: readonly Violation[];
}

/**
 * The body with every known field in camelCase and every `null` left out, as
 * proto3 JSON reads both. Unknown fields are left out and reported, so that the
 * caller of this function decides whether they are refused or ignored.
 */
export function canonicalBody(fields: FieldTree, body: Json): CanonicalBody {
  const faults: Violation[] = [];
  const value = canonicalValue(fields, body, '#', faults);
  return { value, faults };
}

function canonicalValue(
  fields: FieldTree | readonly [FieldTree] | true,
  value: Json,
  pointer: string,
  faults: Violation[],
): Json {
  if (fields === true) return value;
  if (Array.isArray(fields)) {
    const [element] = fields as readonly [FieldTree];
    if (!Array.isArray(value)) return value;
    return value.map((item, index) => canonicalValue(element, item, `${pointer}/${index}`, faults));
  }
  if (!isObject(value)) return value;
  return canonicalObject(fields as FieldTree, value, pointer, faults);
}

/** Trees are constants, so the names of each are made once. */
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
  faults: Violation[],
) {
  const camelOf = camelNames(fields);
  const entries: [string, Json][] = [];
  const spellings = new Map<string, string>();
  for (const [key, item] of Object.entries(value)) {
    const name = Object.hasOwn(fields, key) ? key : camelOf.get(key);
    const place = `${pointer}/${pointerSegment(key)}`;
    const subtree = name === undefined ? undefined : fields[name];
    if (name === undefined || subtree === undefined) {
      faults.push({ pointer: place, code: 'unknown_field', detail: 'this name is not known here' });
      continue;
    }
    if (item === null) continue;
    const other = spellings.get(name);
    if (other !== undefined) {
      faults.push({
        pointer: place,
        code: 'both_spellings',
        detail: `${other} and ${key} are two spellings of one field; send one`,
      });
      continue;
    }
    spellings.set(name, key);
    entries.push([name, canonicalValue(subtree, item, place, faults)]);
  }
  return Object.fromEntries(entries);
}

/**
 * The JSON pointer of a canonical path, in the spelling the caller used.
 *
 * `path` is in camelCase, as a schema reports it; `body` is what was sent.
 */
export function pointerFromPath(path: readonly PropertyKey[], body: Json): string {
  let pointer = '#';
  let value: Json = body;
  for (const segment of path) {
    const key = typeof segment === 'number' ? segment : String(segment);
    let spelled: string | number = key;
    if (isObject(value) && typeof key === 'string' && !Object.hasOwn(value, key)) {
      const snake = snakeFromCamel(key);
      if (Object.hasOwn(value, snake)) spelled = snake;
    }
    pointer += `/${pointerSegment(spelled)}`;
    value = isObject(value) || Array.isArray(value) ? (value as JsonObject)[spelled] : undefined;
  }
  return pointer;
}
