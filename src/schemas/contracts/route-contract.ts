import type { z } from 'zod';
import type { Reason } from '../../errors/reason.ts';
import type { ErrorForm } from '../error-forms/error-form.ts';
import type { BodyContract } from '../parse.ts';
import type { Scope } from '../tokens.ts';

/** One kind of successful answer. */
export interface ResponseContract {
  readonly description: string;
  readonly headers?: z.ZodObject;
  /** By media type. `binary` is bytes, `events` a stream; absent is an answer without a body. */
  readonly content?: Readonly<Record<string, z.ZodType | 'binary' | 'events'>>;
  /** By media type and name. */
  readonly examples?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/**
 * One route, declared once: what it takes is what is validated, what a handler
 * is given, and what the OpenAPI document says.
 */
export interface RouteContract<
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
> {
  readonly method: 'get' | 'post';
  /** With parameters in braces: `/operations/{id}`. */
  readonly path: string;
  /** The same for the router, where its own grammar has to be more exact. */
  readonly routerPath?: string;
  /** Where the vendor takes more than one. */
  readonly methods?: readonly ('GET' | 'HEAD' | 'POST')[];
  readonly operationId: string;
  /** What the caller's credential must be good for; `delegate`: to make tokens, which no token can. */
  readonly access: Scope | 'delegate';
  /** Whether a read token of the operation in the path will do. */
  readonly takesReadToken?: boolean;
  /** Whether an accepted request costs money: then every refusal says that none was spent. */
  readonly spends?: boolean;
  /** Absent: native. */
  readonly errorForm?: ErrorForm;
  readonly tag: string;
  readonly summary: string;
  readonly description: string;
  /** Path parameters; always texts. */
  readonly params?: z.ZodObject;
  /** Request headers that are read, for the document; each is parsed by its own grammar. */
  readonly requestHeaders?: z.ZodObject;
  readonly query: Query;
  readonly body?: BodyContract<Body> & { readonly examples: Readonly<Record<string, unknown>> };
  /** By status code. */
  readonly responses: Readonly<Record<number, ResponseContract>>;
  /**
   * Routes whose answers this one gives when Accept names them. The document
   * describes each representation once, at its own route.
   */
  readonly negotiates?: readonly RouteContract[];
  /** The refusals a caller has to reckon with. */
  readonly reasons: readonly Reason[];
}

/** Checks a declaration and keeps its exact type. */
export function routeContract<Query extends z.ZodType, Body extends z.ZodType>(
  contract: RouteContract<Query, Body>,
): RouteContract<Query, Body> {
  return contract;
}
