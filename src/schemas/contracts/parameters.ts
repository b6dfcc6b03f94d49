import { z } from 'zod';

const secondsMax = 60;
const decimalPattern = /^-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?$/i;

/** `?wait=N`: seconds to wait for the end of the operation, at most 60. */
export const waitQuery = z
  .string()
  .transform((input, context) => {
    // A decimal number however large: one that JavaScript reads as infinite is more than the maximum too.
    if (decimalPattern.test(input) && Number(input) >= 0)
      return Math.min(Number(input), secondsMax);
    const detail = 'expected a number of seconds, 0 or more';
    context.addIssue({ code: 'custom', params: { code: 'pattern' }, message: detail, input });
    return z.NEVER;
  })
  .optional()
  .meta({
    description: `Seconds to wait for the end of the operation, at most ${secondsMax}. The same as Prefer: wait=N.`,
    override: { type: 'number', minimum: 0, example: 60 },
  });

export const includeQuery = z.literal('image').optional().meta({
  description: '`image`: the JSON contains the bytes, as base64.',
});

/** `?download` alone is a yes. */
const downloadValues: ReadonlyMap<string, boolean> = new Map([
  ['', true],
  ['1', true],
  ['true', true],
  ['0', false],
  ['false', false],
]);

export const downloadQuery = z
  .string()
  .transform((input, context) => {
    const isDownload = downloadValues.get(input.toLowerCase());
    if (isDownload !== undefined) return isDownload;
    const detail = 'expected 1, true, 0 or false';
    context.addIssue({ code: 'custom', params: { code: 'value' }, message: detail, input });
    return z.NEVER;
  })
  .optional()
  .meta({
    description:
      '`1` or `true`: a browser saves the image instead of showing it. `0` or `false`: it shows it.',
    override: { type: 'string', enum: ['0', '1', 'true', 'false'] },
  });

export const noQuery = z.strictObject({});

export const idParams = z.object({
  id: z.string().meta({
    description: 'Id of the operation, exactly as the create returned it.',
    example: 'op_AZk3v0',
  }),
});

export const preferHeader = z.string().optional().meta({
  description:
    'RFC 7240. `wait=N`: wait up to N seconds (at most 60) for the end of the operation. `respond-async`: respond 202 at once. `handling=lenient`: ignore unknown fields.',
  example: 'wait=30',
});

export const ifNoneMatchHeader = z.string().optional().meta({
  description: 'Respond 304 if the representation still has one of these ETags.',
});

export const lastEventIdHeader = z.string().optional().meta({
  description: 'Send only events after this one. An EventSource sets it by itself.',
  example: '1',
});

export const idempotencyKeyHeader = z.string().optional().meta({
  description:
    '1 to 255 visible ASCII characters of your choice, with or without double quotes. The same key with the same request finds the same operation and never pays twice. Kept for 72 hours.',
  example: '6c1e0a52-3f9b-4c55-a7f5-6f9a1d8b2f10',
});

export const tokenQuery = z.string().min(1).max(1_024).optional().meta({
  description:
    'A read token of this operation, from the links in its JSON, in place of a credential.',
});
