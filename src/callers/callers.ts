import type { SealSecrets } from '../sealing/seal.ts';
import { openAccessTokens, type AccessTokens } from './access-tokens.ts';
import { openAuthenticator, type Authenticator, type AuthMode } from './authenticator.ts';
import { openCallerDirectory, type CallerDirectory } from './caller-directory.ts';
import type { Caller } from './caller.ts';
import { openJwtVerifier, type JwtVerifier } from './jwt-verifier.ts';

/** What is told to the operator. */
export interface CallersLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface CallersOptions {
  readonly mode: AuthMode;
  readonly secrets: SealSecrets;
  readonly nowMs: () => number;
  readonly keysFile: string | undefined;
  readonly jwtIssuer: string | undefined;
  readonly jwtAudience: string | undefined;
  readonly jwksUrl: string | undefined;
  /** Limits of callers that have none of their own. */
  readonly defaults: Omit<Caller, 'name'>;
  readonly log: CallersLog;
}

export interface Callers {
  readonly authenticator: Authenticator;
  readonly tokens: AccessTokens;
  /** A token for links to one operation. */
  readonly signLink: (operationId: string, tenant: string, expiresAtMs: number) => string;
  close(): void;
}

/**
 * Opens all that tells who asks.
 *
 * @throws Error that names the setting whose file or value is wrong.
 */
export async function openCallers(options: CallersOptions): Promise<Callers> {
  const { mode, secrets, nowMs, defaults } = options;
  const tokens = openAccessTokens(secrets);
  const directory = await directoryOf(options);
  const jwt = mode === 'jwt' ? jwtOf(options) : undefined;
  return {
    tokens,
    authenticator: openAuthenticator({ mode, tokens, nowMs, defaults, directory, jwt }),
    signLink: (operationId, tenant, expiresAtMs) =>
      tokens.sealRead(operationId, { tenant, expiresAtMs }),
    close: () => directory?.close(),
  };
}

async function directoryOf(options: CallersOptions): Promise<CallerDirectory | undefined> {
  const { mode, keysFile: path, nowMs, log } = options;
  if (path === undefined || (mode !== 'keys' && mode !== 'jwt')) return undefined;
  return openCallerDirectory({
    path,
    nowMs,
    onReload: (result) => {
      if (result.ok)
        log.info({ callers: result.callerCount, keys: result.keyCount }, 'keys reloaded');
      else
        log.warn({ mistake: result.message }, 'the new API_KEYS_FILE is wrong; the old keys stay');
    },
  });
}

function jwtOf(options: CallersOptions): JwtVerifier {
  const { jwtIssuer = '', jwtAudience = '', jwksUrl = '', nowMs, log } = options;
  return openJwtVerifier({ issuer: jwtIssuer, audience: jwtAudience, jwksUrl, nowMs, log });
}
