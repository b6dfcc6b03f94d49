import { createDocument, type ZodOpenApiObject, type ZodOpenApiOperationObject } from 'zod-openapi';
import type { z } from 'zod';
import type { Reason } from '../errors/reason.ts';
import { contracts } from './contracts/all-contracts.ts';
import { nativeForm } from './error-forms/native-form.ts';
import { openApi30From31 } from './document-3-0.ts';
import { flatOperationSchema, operationSchema } from './operations.ts';
import { problemKindOf } from './problem-catalog.ts';
import { headersSchema } from './contracts/response-headers.ts';
import type { ResponseContract, RouteContract } from './contracts/route-contract.ts';
import { version } from './product-version.ts';

const securitySchemes = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    description:
      'An API key, a JWT or a token of POST /v1/tokens, depending on the gateway’s settings.',
  },
  apiKey: { type: 'apiKey', in: 'header', name: 'X-Api-Key', description: 'An API key.' },
  readToken: {
    type: 'apiKey',
    in: 'query',
    name: 'token',
    description: 'A read token of one operation, from the links in its JSON.',
  },
} as const;

type Responses = ZodOpenApiOperationObject['responses'];

/** The OpenAPI 3.1 document of the gateway, made from the contracts alone. */
export function openApiDocument(): object {
  return documentFromContracts((schema) => schema);
}

/** The document for generators that know OpenAPI 3.0.3: no unions, no keywords of 3.1. */
export function openApi30Document(): object {
  const flat = documentFromContracts((schema) =>
    schema === operationSchema ? flatOperationSchema : schema,
  );
  return openApi30From31(flat);
}

type Substitute = (schema: z.ZodType) => z.ZodType;

function documentFromContracts(substitute: Substitute): object {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const contract of contracts) {
    const item = (paths[contract.path] ??= {});
    item[contract.method] = operationFromContract(contract, substitute);
  }
  const document: ZodOpenApiObject = {
    openapi: '3.1.0',
    info: {
      title: 'image-generation-gateway',
      version,
      description:
        'Makes images from text. Errors are problem documents (RFC 9457); their `type` is the address of a page that says what to do next.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: [{ url: '/' }],
    tags: [
      { name: 'images', description: 'Create images.' },
      { name: 'operations', description: 'Get images and their operations.' },
      { name: 'tokens', description: 'Create credentials for browsers.' },
      { name: 'openai', description: 'OpenAI’s API, for OpenAI’s clients.' },
      { name: 'yandex', description: 'The vendor’s REST API.' },
    ],
    security: [{ bearer: [] }, { apiKey: [] }, {}],
    components: { securitySchemes },
    paths,
  };
  return createDocument(document, { override: openResponses });
}

/** Leaves responses open to more fields, so that a field added later breaks no client; requests stay closed. */
function openResponses({ jsonSchema, io }: { jsonSchema: Record<string, unknown>; io: string }) {
  if (io === 'output' && jsonSchema['additionalProperties'] === false) {
    delete jsonSchema['additionalProperties'];
  }
}

function operationFromContract(
  contract: RouteContract,
  substitute: Substitute,
): ZodOpenApiOperationObject {
  const query = contract.query as z.ZodObject;
  const hasQuery = Object.keys(query.shape).length > 0;
  const responses: Record<string, unknown> = {};
  for (const [status, response] of Object.entries(contract.responses)) {
    responses[status] = successResponse(response, substitute);
  }
  Object.assign(responses, problemResponses(contract));
  return {
    operationId: contract.operationId,
    tags: [contract.tag],
    summary: contract.summary,
    ...(contract.takesReadToken === true && {
      security: [{ bearer: [] }, { apiKey: [] }, { readToken: [] }, {}],
    }),
    description: contract.description,
    requestParams: {
      ...(contract.params && { path: contract.params }),
      ...(hasQuery && { query }),
      ...(contract.requestHeaders && { header: contract.requestHeaders }),
    },
    ...(contract.body && {
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: contract.body.schema,
            examples: namedExamples(contract.body.examples),
          },
        },
      },
    }),
    responses: responses as Responses,
  };
}

function successResponse(response: ResponseContract, substitute: Substitute): object {
  const content = Object.entries(response.content ?? {}).map(([mediaType, schema]) => [
    mediaType,
    {
      schema:
        typeof schema === 'string'
          ? { type: 'string', ...(schema === 'binary' && { format: 'binary' }) }
          : substitute(schema),
      ...(response.examples?.[mediaType] && {
        examples: namedExamples(response.examples[mediaType]),
      }),
    },
  ]);
  return {
    description: response.description,
    ...(response.headers && { headers: response.headers }),
    ...(content.length > 0 && { content: Object.fromEntries(content) as object }),
  };
}

/** One response for each status, with one example for each reason that has it. */
function problemResponses(contract: RouteContract): Record<string, object> {
  const { errorForm = nativeForm } = contract;
  const byStatus = new Map<number, Reason[]>();
  for (const reason of contract.reasons) {
    const status = errorForm.statusOfReason(reason);
    byStatus.set(status, [...(byStatus.get(status) ?? []), reason]);
  }
  const entries = [...byStatus].map(([status, reasons]) => [
    String(status),
    {
      description: reasons.map((reason) => problemKindOf(reason).title).join('; '),
      headers: headersSchema(
        ['X-Request-Id'],
        [
          'Retry-After',
          'Location',
          'X-Operation-Id',
          'WWW-Authenticate',
          'RateLimit',
          'RateLimit-Policy',
          ...errorForm.headerNames,
        ],
      ),
      content: errorContent(contract, reasons),
    },
  ]);
  return Object.fromEntries(entries) as Record<string, object>;
}

function errorContent({ path, errorForm = nativeForm }: RouteContract, reasons: readonly Reason[]) {
  const { mediaType, schema, exampleOf } = errorForm;
  const examples = namedExamples(
    Object.fromEntries(reasons.map((reason) => [reason, exampleOf(reason, path)])),
  );
  return { [mediaType]: { schema, examples } };
}

function namedExamples(
  values: Readonly<Record<string, unknown>>,
): Record<string, { value: unknown }> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }]));
}
