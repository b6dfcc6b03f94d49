import { z } from 'zod';
import type { FieldTree } from './field-names.ts';
import { openList } from './open-list.ts';

/** What a credential may be used for. */
export const scopes = ['images:create', 'operations:read'] as const;

export type Scope = (typeof scopes)[number];

export const tokenTtlSecondsMax = 600;

const scopeSchema = openList(scopes, {
  id: 'Scope',
  description: '`images:create` also cancels; `operations:read` reads operations and images.',
});

/** Body of POST /v1/tokens. */
export const tokenRequestSchema = z
  .strictObject({
    scopes: z
      .array(scopeSchema)
      .min(1)
      .max(scopes.length)
      .meta({ description: 'What the token allows.' }),
    ttlSeconds: z
      .int()
      .min(1)
      .max(tokenTtlSecondsMax)
      .optional()
      .meta({ description: 'Life of the token in seconds. Absent: 600.', example: 600 }),
    maxImages: z.int().min(1).max(1_000).optional().meta({
      description: 'Most images that the token may create. Absent: only your own limits count.',
    }),
  })
  .meta({ id: 'TokenRequest', description: 'The token to create.' });

export const tokenRequestFields: FieldTree = { scopes: true, ttlSeconds: true, maxImages: true };

/** Response of POST /v1/tokens. */
export const tokenSchema = z
  .object({
    token: z.string().meta({ description: 'Send it as `Authorization: Bearer …`.' }),
    expiresAt: z.string().meta({ format: 'date-time', example: '2026-11-23T10:10:00Z' }),
    scopes: z.array(scopeSchema),
  })
  .meta({ id: 'Token', description: 'A token that allows its scopes until it expires.' });
