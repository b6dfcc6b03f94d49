import { scopes as knownScopes, type Scope } from '../schemas/tokens.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import { isAccessTokenText, type AccessToken, type AccessTokens } from './access-tokens.ts';
import { isApiKeyText } from './api-key.ts';
import type { CallerLookup } from './caller-lookup.ts';
import {
  everyScope,
  type Caller,
  type CallerClass,
  type CallerLimits,
  type Identity,
} from './identity.ts';
import type { JwtVerifier } from './jwt-verifier.ts';
import {
  credentialHash,
  type CredentialState,
  type PassthroughCredentials,
} from './passthrough-credentials.ts';

/** A credential as a request presents it, not verified yet. */
export interface PresentedCredential {
  readonly scheme: 'Bearer' | 'Api-Key';
  readonly text: string;
}

export type AuthMode = 'none' | 'keys' | 'jwt' | 'passthrough';

/** The part that identifies the caller of a request by its credential. */
export interface Authenticator {
  readonly mode: AuthMode;
  /** Whether links carry a token, so that they open without a credential. */
  readonly signsLinks: boolean;
  /**
   * Undefined when the credential, or its absence, identifies no caller.
   *
   * @throws GatewayError `overloaded` or `upstream_unavailable`, or rejects with it, when the credential cannot be checked now.
   */
  authenticate(
    presented: PresentedCredential | undefined,
    peer?: string,
  ): Identity | undefined | Promise<Identity | undefined>;
  /** The caller of a link to an operation; undefined when its token is not valid for this operation. */
  reader(token: string, operationId: string): Identity | undefined;
  /** Whether the credential of an identity still stands: it has not expired, and its key is not revoked. */
  isLive(identity: Identity): boolean;
}

export interface AuthenticatorOptions {
  readonly mode: AuthMode;
  readonly tokens: AccessTokens;
  readonly nowMs: () => number;
  /** Limits of callers without their own. */
  readonly defaults: CallerLimits;
  /** Needed for `keys`; for `jwt` it holds the limits of callers by name. */
  readonly lookup?: CallerLookup | undefined;
  /** Needed for `jwt`. */
  readonly jwt?: JwtVerifier | undefined;
  /** Needed for `passthrough`. */
  readonly passthrough?: PassthroughCredentials | undefined;
}

/** The prefix of each kind of subject, so that subjects of two kinds never collide, whatever callers are named. */
const kinds = { keys: 'k:', jwt: 'j:', passthrough: 'p:' } as const;
const passthroughTenant = 'p:';

export function openAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { mode, nowMs, tokens } = options;
  const fromToken = (text: string) => {
    const token = tokens.open(text, nowMs());
    return token === undefined ? undefined : identityFromToken(token, options);
  };
  const fromCredential = credentialReader(options);
  return {
    mode,
    signsLinks: mode === 'keys' || mode === 'jwt',
    authenticate(presented, peer) {
      const isToken = presented !== undefined && isAccessTokenText(presented.text);
      if (isToken && mode !== 'passthrough') return fromToken(presented.text);
      return fromCredential(presented, peer);
    },
    reader(token, operationId) {
      const read = tokens.openRead(token, operationId, nowMs());
      if (read === undefined) return undefined;
      const { tenant, keyId, expiresAtMs } = read;
      const caller = callerBehind({ subject: tenant, keyId }, options);
      if (caller === undefined) return undefined;
      return {
        ...identityOf(tenant, caller, 'link'),
        scopes: new Set(['operations:read']),
        mayDelegate: false,
        keyId,
        expiresAtMs,
      };
    },
    isLive({ subject, keyId, expiresAtMs = Infinity }) {
      if (expiresAtMs <= nowMs()) return false;
      // Each call with it upstream decides about a credential of the upstream.
      return mode === 'passthrough' || callerBehind({ subject, keyId }, options) !== undefined;
    },
  };
}

type CredentialReader = Authenticator['authenticate'];

function credentialReader(options: AuthenticatorOptions): CredentialReader {
  const { mode, lookup, jwt, defaults } = options;
  switch (mode) {
    case 'none': {
      const anonymous = identityOf('', { ...defaults, name: '' }, 'anonymous');
      return () => anonymous;
    }
    case 'keys':
      return (presented) => {
        if (presented === undefined || !isApiKeyText(presented.text)) return undefined;
        const key = lookup?.byApiKey(presented.text);
        if (key === undefined) return undefined;
        const { caller, keyId, expiresAtMs } = key;
        const identity = identityOf(
          kinds.keys + caller.name,
          withDefaults(caller, defaults),
          'key',
        );
        return { ...identity, keyId, expiresAtMs };
      };
    case 'jwt':
      return async (presented) => {
        const verified = presented && (await jwt?.verify(presented.text));
        if (verified === undefined) return undefined;
        const subject = kinds.jwt + verified.caller.name;
        const caller = callerOf(subject, options);
        if (caller === undefined) return undefined;
        const { scopes, expiresAtMs } = verified;
        return { ...narrowed(identityOf(subject, caller, 'jwt'), scopes), expiresAtMs };
      };
    case 'passthrough':
      return (presented, peer) => {
        if (presented === undefined) return undefined;
        const identity = passthroughIdentity(presented, defaults);
        const state = options.passthrough?.stateOf(identity.passthrough.authorization, peer);
        const ifAccepted = (known: CredentialState | undefined) => {
          if (known === 'unknown') throw unansweredCredential();
          return known === 'refused' ? undefined : identity;
        };
        return state instanceof Promise ? state.then(ifAccepted) : ifAccepted(state);
      };
  }
}

/** The error for a credential that no one has accepted yet: nothing is kept for it, nothing said to it. */
function unansweredCredential(): GatewayError {
  const detail = 'the upstream does not say whether it accepts your credential; send it again';
  return new GatewayError('upstream_unavailable', detail, { outcome: 'not_started' });
}

function identityOf(subject: string, caller: Caller, callerClass: CallerClass): Identity {
  return {
    ...{ callerClass, caller, tenant: subject, subject, keysOf: subject },
    scopes: everyScope,
    mayDelegate: true,
  };
}

/** The identity of a caller whose own credential is sent upstream, where it decides what the caller may see. */
function passthroughIdentity({ scheme, text }: PresentedCredential, defaults: CallerLimits) {
  const authorization = `${scheme} ${text}`;
  const view = credentialHash(authorization);
  const subject = kinds.passthrough + view;
  return {
    ...identityOf(subject, { ...defaults, name: view }, 'passthrough'),
    tenant: passthroughTenant,
    mayDelegate: false,
    passthrough: { authorization, view },
  };
}

function identityFromToken(
  token: AccessToken,
  options: AuthenticatorOptions,
): Identity | undefined {
  const caller = callerBehind(token, options);
  if (caller === undefined) return undefined;
  const { id: tokenId, imagesMax, keyId, expiresAtMs } = token;
  const keepMs = Math.max(1, expiresAtMs - options.nowMs());
  return {
    ...identityOf(token.subject, caller, 'token'),
    keysOf: `${token.subject} ${tokenId}`,
    scopes: new Set(token.scopes),
    mayDelegate: false,
    keyId,
    expiresAtMs,
    ...(imagesMax !== undefined && { allowance: { tokenId, imagesMax, keepMs } }),
  };
}

/**
 * The caller of a token or link. Looked up at each use, so that both end when the
 * caller is removed, or the key that they were given to is revoked.
 */
function callerBehind(
  { subject, keyId }: { readonly subject: string; readonly keyId: string | undefined },
  options: AuthenticatorOptions,
): Caller | undefined {
  const caller = callerOf(subject, options);
  if (options.mode !== 'keys') return caller;
  const key = keyId === undefined ? undefined : options.lookup?.byKeyId(keyId);
  return key?.caller.name === caller?.name ? caller : undefined;
}

/** The caller of a subject in this mode; undefined when it was removed, or is of another mode. */
function callerOf(subject: string, options: AuthenticatorOptions): Caller | undefined {
  const { mode, lookup, defaults } = options;
  if (mode === 'none') return subject === '' ? { ...defaults, name: '' } : undefined;
  const kind = kinds[mode];
  if (mode === 'passthrough' || !subject.startsWith(kind)) return undefined;
  const name = subject.slice(kind.length);
  const listed = lookup?.byName(name);
  if (listed !== undefined) return withDefaults(listed, defaults);
  return mode === 'jwt' ? { ...defaults, name } : undefined;
}

function withDefaults(caller: Caller, defaults: CallerLimits): Caller {
  const { models, imagesPerMinuteMax, concurrentImagesMax, imagesPerDayMax } = caller;
  return {
    name: caller.name,
    models: models ?? defaults.models,
    imagesPerMinuteMax: imagesPerMinuteMax ?? defaults.imagesPerMinuteMax,
    concurrentImagesMax: concurrentImagesMax ?? defaults.concurrentImagesMax,
    imagesPerDayMax: imagesPerDayMax ?? defaults.imagesPerDayMax,
  };
}

/**
 * The identity of a JWT with the scopes it names. Without a scope claim it has all;
 * with one, only those of ours that it names, which may be none.
 */
function narrowed(identity: Identity, named: readonly string[] | undefined): Identity {
  if (named === undefined) return identity;
  const ours = knownScopes.filter((scope: Scope) => named.includes(scope));
  return { ...identity, scopes: new Set(ours), mayDelegate: false };
}
