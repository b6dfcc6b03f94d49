import { setting } from './setting-declaration.ts';
import { choice, integer, jwksUrl, names, sealSecret, storeUrl, text } from './setting-values.ts';

const count = integer({ min: 1, max: 100_000_000 });

/** The part of the settings about callers: who may call, within which limits, and where their records are kept. */
export const callerSettings = {
  AUTH: setting(choice('none', 'keys', 'jwt', 'passthrough').default('none'), {
    default: 'none',
    meaning:
      'Who may call: `none` every client, `keys` callers with an API key, `jwt` callers with a token of your issuer, `passthrough` callers with a credential of the upstream, which is sent there in place of the gateway’s own.',
  }),
  API_KEYS_FILE: setting(text.optional(), {
    meaning:
      'File of callers, with the hashes of their keys and their limits; written by `npm run keys`, read again when it changes. With `AUTH=jwt` it holds limits by `sub`.',
  }),
  JWT_ISSUER: setting(text.optional(), { meaning: 'The `iss` that tokens must have.' }),
  JWT_AUDIENCE: setting(text.optional(), { meaning: 'The `aud` that tokens must have.' }),
  JWKS_URL: setting(jwksUrl.optional(), {
    meaning: 'URL of the keys that tokens are verified with; https, or http on loopback.',
  }),
  JWT_LIFE_S_MAX: setting(integer({ min: 60, max: 31_536_000 }).default(86_400), {
    default: '86400',
    meaning:
      'Longest life of a token in seconds, from its issue to its end; a longer one is refused.',
  }),
  CALLER_MODELS: setting(names.optional(), {
    default: 'all',
    meaning: 'Models that a caller without a list of its own may use, separated by commas.',
  }),
  CALLER_IMAGES_PER_MINUTE_MAX: setting(count.optional(), {
    default: 'no limit',
    meaning: 'Images a minute for a caller without a limit of its own.',
  }),
  CALLER_CONCURRENT_IMAGES_MAX: setting(count.optional(), {
    default: 'no limit',
    meaning: 'The same for images being made at once.',
  }),
  CALLER_IMAGES_PER_DAY_MAX: setting(count.optional(), {
    default: 'no limit',
    meaning: 'The same for images a day, by UTC.',
  }),
  IMAGES_PER_MINUTE_MAX: setting(count.optional(), {
    default: '450 with a TLS upstream, else no limit',
    meaning: 'Images a minute for all callers together; keep it below the upstream’s quota.',
  }),
  IMAGES_PER_DAY_MAX: setting(count.optional(), {
    default: 'no limit',
    meaning: 'Images a day for all callers together: the most that a day can cost.',
  }),
  GATEWAY_SECRET: setting(sealSecret.optional(), {
    default: 'made and kept in DATA_DIR',
    meaning:
      'Seals operation ids, signs links and tokens. The same on every gateway that shares its callers.',
  }),
  GATEWAY_SECRET_FILE: setting(text.optional(), {
    meaning: 'File that holds GATEWAY_SECRET; read again when it changes.',
  }),
  GATEWAY_SECRET_PREVIOUS: setting(sealSecret.optional(), {
    meaning: 'A second secret that still opens what it sealed, while the first takes over.',
  }),
  GATEWAY_SECRET_PREVIOUS_FILE: setting(text.optional(), {
    default: 'DATA_DIR/gateway-secret.previous, where it is there',
    meaning: 'File that holds GATEWAY_SECRET_PREVIOUS; read again when it changes.',
  }),
  DATA_DIR: setting(text.default('./data'), {
    default: './data',
    meaning: 'Folder for what must outlive the process: the secret, idempotency keys, counts.',
  }),
  STORE_URL: setting(storeUrl.optional(), {
    default: 'an embedded store in DATA_DIR',
    meaning:
      '`redis://` or `rediss://` of a Valkey or Redis (7 or newer, `maxmemory-policy noeviction`) that several gateways share.',
  }),
  STORE_URL_FILE: setting(text.optional(), {
    meaning: 'File that holds STORE_URL; read again when it changes.',
  }),
} as const;
