import { createHash } from 'node:crypto';
import { scopes as knownScopes, type Scope } from '../schemas/tokens.ts';
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
  /** Undefined when the credential, or its absence, identifies no caller. Never rejects. */
  authenticate(
    presented: PresentedCredential | undefined,
  ): Identity | undefined | Promise<Identity | undefined>;
  /** The caller of a link to an operation; undefined when its token is not valid for this operation. */
  reader(token: string, operationId: string): Identity | undefined;
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
    authenticate(presented) {
      const isToken = presented !== undefined && isAccessTokenText(presented.text);
      if (isToken && mode !== 'passthrough') return fromToken(presented.text);
      return fromCredential(presented);
    },
    reader(token, operationId) {
      const read = tokens.openRead(token, operationId, nowMs());
      if (read === undefined) return undefined;
      const caller = callerOf(read.tenant, options);
      return caller === undefined
        ? undefined
        : {
            ...identityOf(read.tenant, caller, 'link'),
            scopes: new Set(['operations:read']),
            mayDelegate: false,
            linkExpiresAtMs: read.expiresAtMs,
          };
    },
  };
}

type CredentialReader = Authenticator['authenticate'];

function credentialReader(options: AuthenticatorOptions): CredentialReader {
  const { mode, lookup: directory, jwt, defaults } = options;
  switch (mode) {
    case 'none': {
      const anonymous = identityOf('', { ...defaults, name: '' }, 'anonymous');
      return () => anonymous;
    }
    case 'keys':
      return (presented) => {
        if (presented === undefined || !isApiKeyText(presented.text)) return undefined;
        const caller = directory?.byApiKey(presented.text);
        if (caller === undefined) return undefined;
        return identityOf(kinds.keys + caller.name, withDefaults(caller, defaults), 'key');
      };
    case 'jwt':
      return async (presented) => {
        const verified = presented && (await jwt?.verify(presented.text));
        if (verified === undefined) return undefined;
        const subject = kinds.jwt + verified.caller.name;
        const caller = callerOf(subject, options);
        return caller && narrowed(identityOf(subject, caller, 'jwt'), verified.scopes);
      };
    case 'passthrough':
      return (presented) => presented && passedThrough(presented, defaults);
  }
}

function identityOf(subject: string, caller: Caller, callerClass: CallerClass): Identity {
  return { callerClass, tenant: subject, subject, caller, scopes: everyScope, mayDelegate: true };
}

/** The identity of a caller whose own credential is sent upstream, where it decides what the caller may see. */
function passedThrough({ scheme, text }: PresentedCredential, defaults: CallerLimits): Identity {
  const authorization = `${scheme} ${text}`;
  const view = createHash('sha256').update(authorization).digest('base64url').slice(0, 22);
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
  // Looked up at each use, so that a token ends when its caller is removed.
  const caller = callerOf(token.subject, options);
  if (caller === undefined) return undefined;
  const { id: tokenId, imagesMax } = token;
  const keepMs = Math.max(1, token.expiresAtMs - options.nowMs());
  return {
    ...identityOf(token.subject, caller, 'token'),
    scopes: new Set(token.scopes),
    mayDelegate: false,
    ...(imagesMax !== undefined && { allowance: { tokenId, imagesMax, keepMs } }),
  };
}

/** The caller of a subject in this mode; undefined when it was removed, or is of another mode. */
function callerOf(subject: string, options: AuthenticatorOptions): Caller | undefined {
  const { mode, lookup: directory, defaults } = options;
  if (mode === 'none') return subject === '' ? { ...defaults, name: '' } : undefined;
  const kind = kinds[mode];
  if (mode === 'passthrough' || !subject.startsWith(kind)) return undefined;
  const name = subject.slice(kind.length);
  const listed = directory?.byName(name);
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
 * The identity of a JWT with the scopes it names. A JWT that names only unknown
 * scopes, or has no scope claim, has all. An empty or unreadable claim allows nothing.
 */
function narrowed(identity: Identity, named: readonly string[] | undefined): Identity {
  const ours = knownScopes.filter((scope: Scope) => named?.includes(scope) === true);
  const isSilent = named === undefined || (named.length > 0 && ours.length === 0);
  return isSilent ? identity : { ...identity, scopes: new Set(ours), mayDelegate: false };
}
