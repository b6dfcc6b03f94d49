type Json = unknown;
type JsonObject = Record<string, Json>;

/**
 * An OpenAPI 3.1 document, written as 3.0.3.
 *
 * Covers what the gateway's schemas use: `const` and `examples` of a schema. Anything else of 3.1 must be
 * added here when a schema starts to use it; a test lints the result.
 */
export function openApi30From31(document: object): object {
  const converted = convert(document) as JsonObject;
  return { ...converted, openapi: '3.0.3' };
}

/** Names of example values: what stands under them is not a schema. */
const opaqueNames = new Set(['example', 'value', 'enum', 'default']);

function convert(value: Json): Json {
  if (Array.isArray(value)) return value.map(convert);
  if (typeof value !== 'object' || value === null) return value;
  const result: JsonObject = {};
  for (const [name, item] of Object.entries(value)) {
    if (opaqueNames.has(name)) result[name] = item;
    else if (name === 'const') Object.assign(result, { enum: [item] });
    else if (name === 'examples' && Array.isArray(item)) [result['example']] = item;
    else if (name === 'propertyNames') continue;
    else result[name] = convert(item);
  }
  return result;
}
