import type { z } from 'zod';
import type { Reason } from '../../errors/reason.ts';
import type { ErrorForm } from '../error-forms/error-form.ts';
import type { BodyContract } from '../parse.ts';
import type { Scope } from '../tokens.ts';

/** One kind of successful response. */
export interface ResponseContract {
  readonly description: string;
  readonly headers?: z.ZodObject;
  /** By media type. `binary` is bytes, `events` a stream; absent: a response without a body. */
  readonly content?: Readonly<Record<string, z.ZodType | 'binary' | 'events'>>;
  /** By media type and name. */
  readonly examples?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/**
 * The declaration of one route: what is validated, what its handler gets, and
 * what the OpenAPI document says are all made from it.
 */
export interface RouteContract<
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
> {
  readonly method: 'get' | 'post';
  /** With parameters in braces: `/operations/{id}`. */
  readonly path: string;
  /** The path in the router's grammar, where that has to be more exact. */
  readonly routerPath?: string;
  /** Absent: `method`, and HEAD with GET. */
  readonly methods?: readonly ('GET' | 'HEAD' | 'POST')[];
  readonly operationId: string;
  /** The scope that the caller's credential needs; `delegate`: to create tokens, which no token can. */
  readonly access: Scope | 'delegate';
  /** Whether a read token of the operation in the path is enough. */
  readonly takesReadToken?: boolean;
  /** Whether an accepted request costs money: then every error says what became of it. */
  readonly spends?: boolean;
  /** Absent: native. */
  readonly errorForm?: ErrorForm;
  readonly tag: string;
  readonly summary: string;
  readonly description: string;
  /** Path parameters; always texts. */
  readonly params?: z.ZodObject;
  /** Request headers that have an effect, for the document; each is parsed by its own grammar. */
  readonly requestHeaders?: z.ZodObject;
  readonly query: Query;
  readonly body?: BodyContract<Body> & { readonly examples: Readonly<Record<string, unknown>> };
  /** By status code. */
  readonly responses: Readonly<Record<number, ResponseContract>>;
  /**
   * Routes whose responses this one sends when Accept names them. The document
   * describes each representation once, at its own route.
   */
  readonly negotiates?: readonly RouteContract[];
  /** The errors that this route may send. */
  readonly reasons: readonly Reason[];
}

/** A declaration, checked, with its exact type. */
export function routeContract<Query extends z.ZodType, Body extends z.ZodType>(
  contract: RouteContract<Query, Body>,
): RouteContract<Query, Body> {
  return contract;
}
