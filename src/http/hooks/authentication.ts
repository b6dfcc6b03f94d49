import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Authenticator } from '../../callers/authenticator.ts';
import type { Identity } from '../../callers/identity.ts';
import { GatewayError } from '../../errors/gateway-error.ts';
import { peerAddress } from '../edge/peer-address.ts';
import { presentedCredentialFromHeaders } from '../presented-credential.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The caller. Set on every route that is not public. */
    identity: Identity;
  }
  interface FastifyContextConfig {
    /** Set on the routes that anyone may use; every other route needs a caller. */
    access?: 'public';
  }
}

/**
 * The hook that finds out who calls, on every route and on unknown paths too,
 * before a body is read. A route is public only where its own configuration says so.
 */
export function authenticateRequests(app: FastifyInstance, authenticator: Authenticator): void {
  const refuse = refusalBy(authenticator);
  app.addHook('onRequest', (request, _reply, done) => {
    if (request.routeOptions.config.access === 'public') return done();
    const settle = (identity: Identity | undefined) => {
      try {
        request.identity = permitted(request, identity ?? refuse(request));
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
      // A credential that can't be read is refused like one that is not known.
      done(error instanceof GatewayError ? withChallenge(error) : (error as Error));
    }
  });
}

function identityOf(
  request: FastifyRequest,
  authenticator: Authenticator,
): ReturnType<Authenticator['authenticate']> {
  const { contract } = request.routeOptions.config;
  const presented =
    authenticator.mode === 'none'
      ? readableCredential(request)
      : presentedCredentialFromHeaders(request.headers);
  if (presented !== undefined || contract?.takesReadToken !== true || !authenticator.signsLinks) {
    return authenticator.authenticate(presented, peerAddress(request.socket.remoteAddress));
  }
  const { token } = request.query as { token?: unknown };
  const { id } = request.params as { id?: string };
  return typeof token === 'string' ? authenticator.reader(token, id ?? '') : undefined;
}

/** The credential if it can be read: with `AUTH=none` a client that sends an unreadable one is not refused. */
function readableCredential({ headers }: FastifyRequest) {
  try {
    return presentedCredentialFromHeaders(headers);
  } catch {
    return undefined;
  }
}

/** @throws GatewayError `permission_denied` when the credential does not allow the route. */
function permitted(request: FastifyRequest, identity: Identity): Identity {
  const { contract } = request.routeOptions.config;
  if (contract === undefined) return identity;
  const { access } = contract;
  if (access === 'delegate') {
    if (identity.mayDelegate) return identity;
    throw new GatewayError('permission_denied', 'this takes a key of your own, not a token');
  }
  if (identity.scopes.has(access)) return identity;
  throw new GatewayError('permission_denied', `this takes a credential with the scope ${access}`, {
    headers: { 'www-authenticate': `${challenge}, error="insufficient_scope", scope="${access}"` },
  });
}

/** The challenge of WWW-Authenticate (RFC 6750, section 3). */
const challenge = 'Bearer realm="image-generation-gateway"';

const expectedCredential = {
  none: 'a token that has not expired, or no credential at all',
  keys: 'an API key of this gateway',
  jwt: "a JWT of the gateway's issuer",
  passthrough: 'your credential of the upstream',
} as const;

function refusalBy(authenticator: Authenticator) {
  return (request: FastifyRequest): never => {
    const { authorization } = request.headers;
    const hasOne = authorization !== undefined || request.headers['x-api-key'] !== undefined;
    const detail = hasOne
      ? `the credential is not known, or has expired; send ${expectedCredential[authenticator.mode]}`
      : `send ${expectedCredential[authenticator.mode]} as Authorization: Bearer`;
    throw withChallenge(new GatewayError('unauthenticated', detail), hasOne);
  };
}

/** The error with a WWW-Authenticate header. @param hasOne whether a credential was sent. */
function withChallenge(error: GatewayError, hasOne = true): GatewayError {
  const wwwAuthenticate = hasOne ? `${challenge}, error="invalid_token"` : challenge;
  return error.with({ headers: { ...error.headers, 'www-authenticate': wwwAuthenticate } });
}
