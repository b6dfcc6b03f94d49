import type { ViolationList } from '../errors/violation-list.ts';
import { isBlank } from '../text/blank.ts';
import { jsonPointer } from './json-pointer.ts';

/** A field without fields: `text` may also be blank to be empty, `exact` is never empty. */
type Leaf = true | 'text' | 'exact';

/**
 * The field names of a body, as a tree in camelCase: an object has its fields,
 * an array is a list of one tree.
 */
export interface FieldTree {
  readonly [name: string]: FieldTree | readonly [FieldTree] | Leaf;
}

type Subtree = FieldTree[string];

type Json = unknown;
type JsonObject = Readonly<Record<string, Json>>;

/** `negativePrompt` → `negative_prompt`, the name of the same field in the proto file. */
export function snakeFromCamel(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Most items of a list. More than that are not looked at: the schema refuses such a list by its length. */
export const itemsMax = 256;

/** Most pointers of ignored fields. */
export const ignoredMax = 16;

/** How a body is read. */
export interface BodyReading {
  /** Whether empty strings, lists and objects are absent, as in proto3 JSON. */
  readonly emptyIsAbsent: boolean;
  /** Gets unknown fields where they are refused, and fields under both of their names. */
  readonly violations: ViolationList;
  /** Gets the first pointers of unknown fields where these are ignored. Absent: they are refused. */
  readonly ignored?: string[] | undefined;
}

interface Reading extends BodyReading {
  /** Where in the body the reading is. */
  readonly path: (string | number)[];
}

/**
 * A body with every known field in camelCase, and every unknown and every
 * absent one left out. `null` is absent, as in proto3 JSON.
 */
export function canonicalBody(fields: FieldTree, body: Json, options: BodyReading): Json {
  return canonicalValue(fields, body, { ...options, path: [] });
}

function canonicalValue(fields: Subtree, value: Json, reading: Reading): Json {
  if (Array.isArray(value)) {
    const items: readonly Json[] = value.length > itemsMax ? value.slice(0, itemsMax + 1) : value;
    if (!Array.isArray(fields)) return items;
    const [element] = fields as readonly [FieldTree];
    return items.map((item, index) => valueAt(index, element, item, reading));
  }
  if (typeof fields !== 'object' || Array.isArray(fields) || !isObject(value)) return value;
  return canonicalObject(fields as FieldTree, value, reading);
}

function valueAt(segment: string | number, fields: Subtree, value: Json, reading: Reading): Json {
  reading.path.push(segment);
  const canonical = canonicalValue(fields, value, reading);
  reading.path.pop();
  return canonical;
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

const unknownField = { code: 'unknown_field', detail: 'this name is not known' };

function canonicalObject(fields: FieldTree, value: JsonObject, reading: Reading): JsonObject {
  const camelOf = camelNames(fields);
  const entries: [string, Json][] = [];
  const writtenAs = new Map<string, string>();
  for (const key of Object.keys(value)) {
    const name = Object.hasOwn(fields, key) ? key : camelOf.get(key);
    const subtree = name === undefined ? undefined : fields[name];
    if (name === undefined || subtree === undefined) {
      addUnknown(key, reading);
      continue;
    }
    if (value[key] === null) continue;
    const item = valueAt(key, subtree, value[key], reading);
    if (reading.emptyIsAbsent && isEmpty(item, subtree)) continue;
    const other = writtenAs.get(name);
    if (other !== undefined) {
      const detail = `${other} and ${key} are two names of one field: send one`;
      reading.violations.add({ code: 'both_spellings', detail }, () => pointerTo(key, reading));
      continue;
    }
    writtenAs.set(name, key);
    entries.push([name, item]);
  }
  return Object.fromEntries(entries);
}

function addUnknown(key: string, reading: Reading): void {
  const { ignored, violations } = reading;
  if (ignored === undefined) violations.add(unknownField, () => pointerTo(key, reading));
  else if (ignored.length < ignoredMax) ignored.push(pointerTo(key, reading).pointer);
}

function pointerTo(key: string, { path }: Reading): { readonly pointer: string } {
  return { pointer: jsonPointer([...path, key]) };
}

function isEmpty(value: Json, leaf: Subtree): boolean {
  if (leaf === 'exact') return false;
  if (typeof value === 'string') return leaf === 'text' ? isBlank(value) : value === '';
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

/**
 * The JSON pointer of a path, with the field names as the caller wrote them.
 *
 * @param path in camelCase, as a schema reports it.
 * @param body as it was sent.
 */
export function pointerFromPath(path: readonly PropertyKey[], body: Json): string {
  const segments: (string | number)[] = [];
  let value: Json = body;
  for (const segment of path) {
    const key = typeof segment === 'number' ? segment : String(segment);
    let written: string | number = key;
    if (isObject(value) && typeof key === 'string' && !Object.hasOwn(value, key)) {
      const snake = snakeFromCamel(key);
      if (Object.hasOwn(value, snake)) written = snake;
    }
    segments.push(written);
    value = isObject(value) || Array.isArray(value) ? (value as JsonObject)[written] : undefined;
  }
  return jsonPointer(segments);
}
