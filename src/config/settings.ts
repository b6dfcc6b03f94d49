import { backendSettings } from './backend-settings.ts';
import { callerSettings } from './caller-settings.ts';
import { serviceWorkSettings } from './service-work-settings.ts';
import { setting } from './setting-declaration.ts';
import type { ValuesOf } from './setting-reader.ts';
import {
  address,
  addressOrEmbedded,
  choice,
  corsOrigins,
  countsByName,
  flag,
  host,
  hosts,
  integer,
  mediaTypes,
  metadataService,
  port,
  publicUrl,
  secret,
  text,
  modelName,
  modelsByName,
} from './setting-values.ts';

const timeoutMs = integer({ min: 100, max: 600_000 });

/**
 * Every setting of the gateway, by the name of its environment variable.
 *
 * This is the table alone: `settings-from-environment.ts` reads it, and
 * docs/configuration.md is generated from it.
 */
export const settings = {
  HOST: setting(host.default('127.0.0.1'), {
    default: '127.0.0.1',
    meaning: 'Address to listen on: an IP address or a host name.',
  }),
  PORT: setting(port.default(8080), {
    default: '8080',
    meaning: 'Port to listen on; 0 takes any free one and prints it in the first log line.',
  }),
  PUBLIC_URL: setting(publicUrl.optional(), {
    default: 'from HOST and PORT',
    meaning:
      'Where callers reach the gateway: scheme, host and, behind a proxy that removes it, a path. Every link begins with it.',
  }),
  METRICS_PORT: setting(port.optional(), {
    default: 'off',
    meaning:
      'Port of GET /metrics for Prometheus; 0 takes any free one and logs it. Unset, nothing is counted.',
  }),
  METRICS_HOST: setting(host.default('127.0.0.1'), {
    default: '127.0.0.1',
    meaning: 'Address of that port. It asks for no credential.',
  }),
  CORS_ORIGINS: setting(corsOrigins.optional(), {
    default: 'none',
    meaning:
      'Origins whose pages may call this gateway from a browser, separated by commas: `https://app.example.com`, `https://*.example.com` for its subdomains, `tauri://localhost` for an app. `*` for all.',
  }),
  ALLOWED_HOSTS: setting(hosts.optional(), {
    meaning:
      'With `AUTH=none`: further names under which clients reach the gateway, separated by commas: `images.example.com`, `*.example.com` for its subdomains. The name in PUBLIC_URL, addresses, names without a dot and local ones are served anyway; a request with any other Host is refused, because a foreign page may have sent it.',
  }),
  ALLOW_ANONYMOUS: setting(flag.default(false), {
    default: 'false',
    meaning:
      'Must be `true` to listen anywhere but on loopback with `AUTH=none`: every client that reaches the gateway then spends on its account.',
  }),
  UPSTREAM_ADDRESS: setting(addressOrEmbedded.optional(), {
    default: 'embedded',
    meaning:
      '`host:port` (TLS) or `http://host:port` (plaintext) of ImageGenerationAsyncService. Unset or `embedded`: an image service inside this process, which keeps its operations in SERVICE_DIR and draws local images. With `AUTH` other than `none` it must be set.',
  }),
  OPERATIONS_ADDRESS: setting(address.optional(), {
    default: 'UPSTREAM_ADDRESS',
    meaning: 'The same of OperationService.',
  }),
  UPSTREAM_IS_SERVICE: setting(flag.optional(), {
    default: 'false',
    meaning:
      '`true` says that UPSTREAM_ADDRESS is the image service of this product (`npm run service`). Then the gateway believes what the service says about money: that a refused create cost nothing, or that a lost image may have been paid for. It sends a key with each create and asks the service what became of one that was not answered, so that none stays unknown.',
  }),
  UPSTREAM_CA_FILE: setting(text.optional(), {
    default: "Node's roots",
    meaning:
      'PEM file with the CA that signed the upstream’s certificate, where it is a private one; read again when it changes.',
  }),
  UPSTREAM_API_KEY: setting(secret.optional(), {
    meaning: 'API key sent as `Api-Key`. Exactly one credential is needed for a real upstream.',
  }),
  UPSTREAM_API_KEY_FILE: setting(text.optional(), {
    meaning: 'File that holds the API key; read again when it changes.',
  }),
  UPSTREAM_IAM_TOKEN: setting(secret.optional(), {
    meaning: 'IAM token sent as `Bearer`. It expires within 12 hours.',
  }),
  UPSTREAM_IAM_TOKEN_FILE: setting(text.optional(), {
    meaning: 'File that holds the IAM token; read again when it changes.',
  }),
  UPSTREAM_SERVICE_ACCOUNT_KEY_FILE: setting(text.optional(), {
    meaning:
      'JSON file of a service account’s authorized key, exchanged for IAM tokens that are replaced hourly; read again when it changes.',
  }),
  UPSTREAM_METADATA_SERVICE: setting(metadataService.optional(), {
    default: 'false',
    meaning:
      '`true` takes the tokens of the virtual machine’s own service account from its metadata service; an `http://` origin says where that is.',
  }),
  IAM_ADDRESS: setting(address.default('iam.api.cloud.yandex.net:443'), {
    default: 'iam.api.cloud.yandex.net:443',
    meaning:
      '`host:port` (TLS) or `http://host:port` (plaintext) of IamTokenService, which UPSTREAM_SERVICE_ACCOUNT_KEY_FILE is exchanged at.',
  }),
  UPSTREAM_DATA_LOGGING: setting(flag.default(true), {
    default: 'true',
    meaning: '`false` asks the upstream not to keep prompts (x-data-logging-enabled: false).',
  }),
  FOLDER_ID: setting(text.regex(/^[A-Za-z0-9._-]+$/, { error: 'must be a folder id' }).optional(), {
    meaning: 'Folder that model names are looked up in. Needed for a real upstream.',
  }),
  UPSTREAM_FOLDER_HEADER: setting(flag.default(false), {
    default: 'false',
    meaning: '`true` sends FOLDER_ID as x-folder-id with every call.',
  }),
  DEFAULT_MODEL: setting(modelName.default('yandex-art/latest'), {
    default: 'yandex-art/latest',
    meaning: 'Model of a request that names none: a name, name/version, alias or art:// URI.',
  }),
  MODEL_ALIASES: setting(modelsByName.default(new Map()), {
    meaning:
      'JSON object: a name of your own → a model name or art:// URI. The name `*` stands for every other bare name, such as the names that clients have built in.',
  }),
  IMAGE_MEDIA_TYPES: setting(mediaTypes.optional(), {
    default: 'image/jpeg; embedded service: image/jpeg,image/png,image/webp',
    meaning: 'Media types the upstream can make, the preferred one first.',
  }),
  PROMPT_CHARACTERS_MAX: setting(integer({ min: 1, max: 60_000 }).default(500), {
    default: '500',
    meaning: 'Most characters in a prompt, checked before anything is spent.',
  }),
  PROMPT_CHARACTERS_MAX_BY_MODEL: setting(countsByName.default(new Map()), {
    meaning: 'JSON object: the same for single models, by name without folder and version.',
  }),
  UPSTREAM_POLL_INTERVAL_MS: setting(integer({ min: 10, max: 600_000 }).optional(), {
    default: 'learned',
    meaning: 'A fixed time between polls of one operation, in place of the learned schedule.',
  }),
  RESULT_READS_PER_SECOND_MAX: setting(integer({ min: 1, max: 100_000 }).optional(), {
    default: '50; the service: 1000',
    meaning: 'Result reads the upstream allows a second; the gateway uses at most 80 % of them.',
  }),
  GENERATE_TIMEOUT_MS: setting(timeoutMs.default(15_000), {
    default: '15000',
    meaning: 'Deadline of a Generate call.',
  }),
  GET_TIMEOUT_MS: setting(timeoutMs.default(10_000), {
    default: '10000',
    meaning: 'Deadline of a Get or Cancel call.',
  }),
  CONNECT_TIMEOUT_MS: setting(timeoutMs.default(5_000), {
    default: '5000',
    meaning: 'How long a connection to the upstream may take before the gateway dials again.',
  }),
  IMAGE_BYTES_MAX: setting(integer({ min: 1_024, max: 268_435_456 }).default(16_777_216), {
    default: '16777216',
    meaning: 'Largest image taken from the upstream.',
  }),
  RESULT_CACHE_BYTES_MAX: setting(integer({ min: 0, max: 17_179_869_184 }).default(268_435_456), {
    default: '268435456',
    meaning: 'Memory for finished images. One that does not fit is read again for each request.',
  }),
  PICTURE_BYTES_MAX: setting(integer({ min: 1_048_576, max: 68_719_476_736 }).optional(), {
    default: '536870912, or four of the largest images where that is more',
    meaning:
      'Memory for all images together: kept, being read, being written. At least twice IMAGE_BYTES_MAX + 1 MiB.',
  }),
  LOOP_DELAY_MS_MAX: setting(integer({ min: 5, max: 60_000 }).default(100), {
    default: '100',
    meaning:
      'Average delay of the event loop that counts as full: from 80 % of it on, new work is refused.',
  }),
  OPERATIONS_TRACKED_MAX: setting(integer({ min: 100, max: 10_000_000 }).default(50_000), {
    default: '50000',
    meaning:
      'Operations whose state is remembered; a forgotten one is read from the upstream again.',
  }),
  ...callerSettings,
  ...backendSettings,
  CONNECTIONS_MAX: setting(integer({ min: 1, max: 1_000_000 }).default(16_384), {
    default: '16384',
    meaning:
      'Connections at once; further ones are closed when they come, after idle ones have made room. Each takes a file descriptor.',
  }),
  CONNECTIONS_PER_PEER_MAX: setting(integer({ min: 1, max: 1_000_000 }).optional(), {
    default: 'three quarters of CONNECTIONS_MAX',
    meaning:
      'Connections at once from one address (of IPv6 one /64 network). A proxy in front is one address, so set less only where clients connect by themselves.',
  }),
  LOG_LEVEL: setting(
    choice('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent').default('info'),
    { default: 'info', meaning: 'Least level that is logged.' },
  ),
  DRAIN_DELAY_MS: setting(integer({ min: 0, max: 600_000 }).default(5_000), {
    default: '5000',
    meaning:
      'How long after SIGTERM everything is still served while /readyz says 503, so that load balancers notice. SIGINT, from a person at a terminal, skips it.',
  }),
  SHUTDOWN_TIMEOUT_MS: setting(timeoutMs.default(25_000), {
    default: '25000',
    meaning:
      'How long after SIGTERM, DRAIN_DELAY_MS included, requests in flight may go on; the process ends at most 5 s later. More than DRAIN_DELAY_MS.',
  }),
  SERVICE_PORT: setting(port.default(0), {
    default: 'any',
    meaning:
      'Port of the embedded service, on loopback only, for other programs of this machine: where it is set, the service asks for no key. `EMULATOR_PORT` is its older name.',
    alias: 'EMULATOR_PORT',
  }),
  ...serviceWorkSettings,
} as const;

export type SettingName = keyof typeof settings;

/** Every setting after validation, by name. */
export type SettingValues = ValuesOf<typeof settings>;
