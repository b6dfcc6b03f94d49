import type { z } from 'zod';
import type { GatewayError } from '../../errors/gateway-error.ts';
import type { Reason } from '../../errors/reason.ts';
import type { ResponseHeader } from '../contracts/response-headers.ts';

/** What a body says about the request that failed. */
export interface FailedRequest {
  readonly requestId: string;
  /** Without the query, which may hold a token. */
  readonly path: string;
  /** Origin of links, without a slash at the end. */
  readonly origin: string;
  /** The status that is sent. */
  readonly status: number;
}

/**
 * The form in which one surface writes its errors: the only place that knows
 * the surface's paths, statuses and bodies. The responses, the early responses
 * of the edge and the OpenAPI document are all made from it.
 */
export interface ErrorForm {
  readonly name: 'native' | 'openai' | 'vendor';
  readonly mediaType: string;
  readonly schema: z.ZodType;
  /** Whether clients of this path read this form. Decides where no route matched; a route names its form. */
  readonly ownsPath: (path: string) => boolean;
  /** The status of the gateway's own errors, for the document. */
  readonly statusOfReason: (reason: Reason) => number;
  /** The status of an error, which a code of the upstream may decide. */
  readonly statusOf: (error: GatewayError) => number;
  readonly bodyOf: (error: GatewayError, request: FailedRequest) => object;
  /** Further headers of an error that stays the same however often the request is sent. */
  readonly finalHeaders: Readonly<Record<string, string>>;
  /** Names of the headers that only errors of this form carry. */
  readonly headerNames: readonly ResponseHeader[];
  /** A body for the document. @param path of the route. */
  readonly exampleOf: (reason: Reason, path: string) => object;
}
