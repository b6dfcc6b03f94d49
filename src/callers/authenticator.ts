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

/** A credential as a request brought it. */
export interface PresentedCredential {
  readonly scheme: 'Bearer' | 'Api-Key';
  readonly text: string;
}

export type AuthMode = 'none' | 'keys' | 'jwt' | 'passthrough';

/** Tells who asks from what a request brought. */
export interface Authenticator {
  readonly mode: AuthMode;
  /** Whether links need a token of their own to be opened without a credential. */
  readonly signsLinks: boolean;
  /** Undefined when that is nobody who may ask. Never rejects. */
  authenticate(
    presented: PresentedCredential | undefined,
  ): Identity | undefined | Promise<Identity | undefined>;
  /** Who a read token of an operation stands for; undefined when it is not good for this one. */
  reader(token: string, operationId: string): Identity | undefined;
}

export interface AuthenticatorOptions {
  readonly mode: AuthMode;
  readonly tokens: AccessTokens;
  readonly nowMs: () => number;
  /** Limits of callers that have none of their own. */
  readonly defaults: CallerLimits;
  /** Needed for `keys`; in `jwt` it holds the limits of callers by name. */
  readonly lookup?: CallerLookup | undefined;
  /** Needed for `jwt`. */
  readonly jwt?: JwtVerifier | undefined;
}

/** Subjects of different kinds never meet, whatever callers are called. */
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

/** The caller's own credential goes upstream, and the upstream decides what it may see. */
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
  // Looked up at each use, so that a token ends with the caller that made it.
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

/** The caller a subject stands for, in this mode; undefined when there is none any more. */
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
 * A JWT that names scopes of ours is good for those; one that names only others,
 * or has no such claim, for all. An empty or unreadable claim allows nothing.
 */
function narrowed(identity: Identity, named: readonly string[] | undefined): Identity {
  const ours = knownScopes.filter((scope: Scope) => named?.includes(scope) === true);
  const isSilent = named === undefined || (named.length > 0 && ours.length === 0);
  return isSilent ? identity : { ...identity, scopes: new Set(ours), mayDelegate: false };
}
