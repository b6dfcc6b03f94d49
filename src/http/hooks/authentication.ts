import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Authenticator } from '../../callers/authenticator.ts';
import type { Identity } from '../../callers/identity.ts';
import { GatewayError } from '../../errors/gateway-error.ts';
import { presentedCredentialFromHeaders } from '../presented-credential.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks. Set on every route that is not public. */
    identity: Identity;
  }
  interface FastifyContextConfig {
    /** Named by the routes that anybody may use; every other needs a caller. */
    access?: 'public';
  }
}

/**
 * Settles who asks, on every route and on paths that are none, before a body is
 * read. A route is open to everybody only by naming itself public.
 */
export function authenticateRequests(app: FastifyInstance, authenticator: Authenticator): void {
  const refused = refusals(authenticator);
  app.addHook('onRequest', (request, _reply, done) => {
    if (request.routeOptions.config.access === 'public') return done();
    const settle = (identity: Identity | undefined) => {
      try {
        request.identity = permitted(request, identity ?? refused(request));
        done();
      } catch (error) {
        done(error as Error);
      }
    };
    try {
      const found = identityOf(request, authenticator);
      if (found instanceof Promise) void found.then(settle, done);
      else settle(found);
    } catch (error) {
      // A credential that can't be read is one that is not known.
      done(error instanceof GatewayError ? withChallenge(error, authenticator) : (error as Error));
    }
  });
}

function identityOf(
  request: FastifyRequest,
  authenticator: Authenticator,
): ReturnType<Authenticator['authenticate']> {
  const { contract } = request.routeOptions.config;
  const presented = authenticator.mode === 'none' ? tokenOnly(request) : presentedOf(request);
  if (presented !== undefined || contract?.takesReadToken !== true || !authenticator.signsLinks) {
    return authenticator.authenticate(presented);
  }
  const { token } = request.query as { token?: unknown };
  const { id } = request.params as { id?: string };
  return typeof token === 'string' ? authenticator.reader(token, id ?? '') : undefined;
}

function presentedOf({ headers }: FastifyRequest) {
  return presentedCredentialFromHeaders(headers);
}

/** Where nobody needs a credential, clients that send one all the same are not refused for its form. */
function tokenOnly({ headers }: FastifyRequest) {
  try {
    return presentedCredentialFromHeaders(headers);
  } catch {
    return undefined;
  }
}

/** @throws GatewayError `permission_denied` when the credential is not good for the route. */
function permitted(request: FastifyRequest, identity: Identity): Identity {
  const { contract } = request.routeOptions.config;
  if (contract === undefined) return identity;
  const { access } = contract;
  const isGood = access === 'delegate' ? identity.mayDelegate : identity.scopes.has(access);
  if (isGood) return identity;
  const needed = access === 'delegate' ? 'a key of its own, not a token' : `the scope ${access}`;
  throw new GatewayError('permission_denied', `this takes a credential with ${needed}`);
}

const wanted = {
  none: 'a token that has not expired, or no credential at all',
  keys: 'an API key of this gateway',
  jwt: "a JWT of the gateway's issuer",
  passthrough: 'your credential of the upstream',
} as const;

function refusals(authenticator: Authenticator) {
  return (request: FastifyRequest): never => {
    const { authorization } = request.headers;
    const hasOne = authorization !== undefined || request.headers['x-api-key'] !== undefined;
    const detail = hasOne
      ? `the credential is not known, or has expired; send ${wanted[authenticator.mode]}`
      : `send ${wanted[authenticator.mode]} as Authorization: Bearer`;
    throw withChallenge(new GatewayError('unauthenticated', detail), authenticator, hasOne);
  };
}

/** RFC 6750, section 3: what to send, and whether what was sent is the trouble. */
function withChallenge(error: GatewayError, _authenticator: Authenticator, hasOne = true) {
  const challenge = `Bearer realm="image-generation-gateway"${hasOne ? ', error="invalid_token"' : ''}`;
  return error.with({ headers: { ...error.headers, 'www-authenticate': challenge } });
}
