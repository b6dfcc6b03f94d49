import { openAccessTokens, type AccessTokens } from './callers/access-tokens.ts';
import { openAuthenticator, type Authenticator } from './callers/authenticator.ts';
import { openCallerLookup, type CallerLookup } from './callers/caller-lookup.ts';
import { openJwtVerifier, type JwtVerifier } from './callers/jwt-verifier.ts';
import type { PassthroughCredentials } from './callers/passthrough-credentials.ts';
import { systemClock } from './clock/system-clock.ts';
import type { SettingValues } from './config/settings.ts';
import type { Log } from './observability/log.ts';
import type { SealSecrets } from './sealing/seal.ts';

/** The parts that identify a caller, as the settings order them. */
export interface AppCallers {
  readonly authenticator: Authenticator;
  readonly tokens: AccessTokens;
  /** Ends what watches the keys file and the issuer's keys. */
  close(): void;
}

const nowMs = () => systemClock.nowMs();
const elapsedMs = () => systemClock.elapsedMs();

/** @throws Error that names the setting whose file or value is wrong. */
export async function openAppCallers(
  settings: SettingValues,
  parts: {
    readonly secrets: SealSecrets;
    readonly log: Log;
    readonly passthrough: PassthroughCredentials | undefined;
  },
): Promise<AppCallers> {
  const { secrets, log, passthrough } = parts;
  const { AUTH: mode } = settings;
  const tokens = openAccessTokens(secrets);
  const lookup = mode === 'keys' || mode === 'jwt' ? await lookupOf(settings, log) : undefined;
  const jwt = mode === 'jwt' ? jwtVerifierOf(settings, log) : undefined;
  const defaults = {
    models: settings.CALLER_MODELS,
    imagesPerMinuteMax: settings.CALLER_IMAGES_PER_MINUTE_MAX,
    concurrentImagesMax: settings.CALLER_CONCURRENT_IMAGES_MAX,
    imagesPerDayMax: settings.CALLER_IMAGES_PER_DAY_MAX,
  };
  return {
    tokens,
    authenticator: openAuthenticator({ mode, tokens, nowMs, defaults, lookup, jwt, passthrough }),
    close() {
      lookup?.close();
      jwt?.close();
    },
  };
}

async function lookupOf(
  { API_KEYS_FILE: path }: SettingValues,
  log: Log,
): Promise<CallerLookup | undefined> {
  if (path === undefined) return undefined;
  return openCallerLookup({
    path,
    nowMs,
    onReload(result) {
      if (result.ok) {
        log.info({ callers: result.callerCount, keys: result.keyCount }, 'keys reloaded');
      } else {
        log.warn({ mistake: result.message }, 'the new API_KEYS_FILE is wrong; the old keys stay');
      }
    },
  });
}

function jwtVerifierOf(settings: SettingValues, log: Log): JwtVerifier {
  const { JWT_ISSUER: issuer = '', JWT_AUDIENCE: audience = '', JWKS_URL: jwksUrl = '' } = settings;
  const lifeMsMax = settings.JWT_LIFE_S_MAX * 1000;
  return openJwtVerifier({ issuer, audience, jwksUrl, lifeMsMax, nowMs, elapsedMs, log });
}
