import { z } from 'zod';
import { reasons } from '../errors/reason.ts';
import { openList } from './open-list.ts';

const violation = z
  .object({
    pointer: z.string().optional().meta({
      description: 'JSON pointer into the body, with the field names as you wrote them.',
      example: '#/aspectRatio',
    }),
    parameter: z.string().optional().meta({ description: 'Name of the query parameter.' }),
    header: z.string().optional().meta({ description: 'Name of the header.' }),
    code: z
      .string()
      .meta({ description: 'The kind of violation, as one word.', example: 'pattern' }),
    detail: z.string().meta({ description: 'What was expected.' }),
  })
  .meta({ id: 'Fault', description: 'One thing that is wrong with the request.' });

const upstreamTrace = z
  .object({
    grpcCode: z.string().meta({
      description: 'Name of the gRPC code in the upstream’s response.',
      example: 'INVALID_ARGUMENT',
    }),
    requestId: z.string().optional().meta({ description: 'The upstream’s id of the call.' }),
  })
  .meta({ id: 'UpstreamTrace', description: 'What the upstream’s response says.' });

/** A reason, as documented. */
export const problemCodeSchema = openList(reasons, {
  id: 'ProblemCode',
  description: 'The kind of problem, to switch on.',
});

const outcome = openList(['not_started', 'unknown', 'accepted'], {
  id: 'SpendOutcome',
  description:
    'On a create: `not_started`: nothing was spent; `unknown`: it may have been spent; `accepted`: the operation goes on.',
});

/** RFC 9457 problem document; `code` is one of `reasons`. */
export const problemSchema = z
  .object({
    type: z.string().meta({
      description: 'Address of the page that explains this kind of problem.',
      format: 'uri',
      example: 'https://gateway.example/problems/invalid_request',
    }),
    title: z.string(),
    status: z.int().meta({ description: 'The HTTP status code.', example: 400 }),
    code: problemCodeSchema,
    detail: z.string().meta({ description: 'What went wrong this time.' }),
    instance: z.string().meta({ description: 'Path of the request, without its query.' }),
    requestId: z
      .string()
      .meta({ description: 'Id of the request, also in X-Request-Id: report it to the operator.' }),
    retryable: z.boolean().meta({
      description: 'Whether the same request may succeed later without paying twice.',
    }),
    outcome: outcome.optional(),
    errors: z.array(violation).optional(),
    upstream: upstreamTrace.optional(),
  })
  .meta({ id: 'Problem', description: 'Why a request was refused (RFC 9457).' });

export type Problem = z.output<typeof problemSchema>;
