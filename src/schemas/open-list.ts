import { z } from 'zod';

/**
 * A list of texts that may grow: documented as a string whose known values stand
 * in the description, because clients made from a closed list fail at a new one.
 * Values are still checked here.
 */
export function openList<const Values extends readonly [string, ...string[]]>(
  values: Values,
  { id, description }: { readonly id: string; readonly description: string },
) {
  const known = values.map((value) => `\`${value}\``).join(', ');
  return z.enum(values).meta({
    id,
    description: `${description} Known values, to which more may be added: ${known}.`,
    override: ({ jsonSchema }: { jsonSchema: object }) => {
      delete (jsonSchema as { enum?: unknown }).enum;
    },
  });
}
