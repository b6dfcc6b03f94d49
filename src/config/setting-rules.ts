import { isLoopbackHost } from '../text/host.ts';
import { backendMistakes, backendSettings } from './backend-settings.ts';
import type { SettingName, SettingValues } from './settings.ts';

/** A rule between settings that are right one by one. */
interface Rule {
  /** The settings it compares. Without a value for one of them the rule says nothing. */
  readonly of: readonly SettingName[];
  readonly mistakes: (values: SettingValues) => readonly (string | false)[];
}

const credentialNames = [
  'UPSTREAM_API_KEY',
  'UPSTREAM_API_KEY_FILE',
  'UPSTREAM_IAM_TOKEN',
  'UPSTREAM_IAM_TOKEN_FILE',
  'UPSTREAM_SERVICE_ACCOUNT_KEY_FILE',
  'UPSTREAM_METADATA_SERVICE',
] as const satisfies readonly SettingName[];

/** Settings that are given as a value or as a file that holds it. */
const valuesOrFiles = ['GATEWAY_SECRET', 'GATEWAY_SECRET_PREVIOUS', 'STORE_URL'] as const;

/** Settings that mean nothing for the embedded service. */
const realUpstreamNames = [
  'OPERATIONS_ADDRESS',
  'UPSTREAM_IS_SERVICE',
  'UPSTREAM_CA_FILE',
  ...credentialNames,
] as const satisfies readonly SettingName[];

const neededByAuth = {
  none: [],
  passthrough: [],
  keys: ['API_KEYS_FILE'],
  jwt: ['JWT_ISSUER', 'JWT_AUDIENCE', 'JWKS_URL'],
} as const satisfies Record<SettingValues['AUTH'], readonly SettingName[]>;

const rules: readonly Rule[] = [
  {
    of: credentialNames,
    mistakes(values) {
      const given = credentialNames.filter((name) => values[name] !== undefined);
      return [given.length > 1 && `${given.join(', ')}: set exactly one credential`];
    },
  },
  ...valuesOrFiles.map((name): Rule => {
    const fileName = `${name}_FILE` as const;
    return {
      of: [name, fileName],
      mistakes: (values) => [
        values[name] !== undefined &&
          values[fileName] !== undefined &&
          `${name}, ${fileName}: set one of them`,
      ],
    };
  }),
  {
    of: ['STORE_URL', 'STORE_URL_FILE', 'GATEWAY_SECRET', 'GATEWAY_SECRET_FILE'],
    mistakes: (values) => [
      isStoreShared(values) &&
        values.GATEWAY_SECRET === undefined &&
        values.GATEWAY_SECRET_FILE === undefined &&
        'GATEWAY_SECRET: is needed with STORE_URL, the same on every gateway: with secrets of their own they would not know each other’s operation ids',
    ],
  },
  {
    of: ['STORE_URL', 'STORE_URL_FILE', 'UPSTREAM_ADDRESS'],
    mistakes: (values) => [
      isStoreShared(values) &&
        isUpstreamEmbedded(values) &&
        'UPSTREAM_ADDRESS: is needed with STORE_URL: gateways that share a store need one image service for all of them, such as npm run service; the embedded one of each knows only its own operations',
    ],
  },
  ...Object.entries(neededByAuth).map(([mode, needed]): Rule => ({
    of: ['AUTH', ...needed],
    mistakes: (values) =>
      needed.map(
        (name) =>
          values.AUTH === mode &&
          values[name] === undefined &&
          `${name}: is needed with AUTH=${mode}`,
      ),
  })),
  {
    of: ['AUTH', 'UPSTREAM_ADDRESS', 'BACKEND_URL'],
    mistakes: ({ AUTH, UPSTREAM_ADDRESS, BACKEND_URL }) => [
      AUTH !== 'none' &&
        UPSTREAM_ADDRESS === undefined &&
        BACKEND_URL === undefined &&
        `UPSTREAM_ADDRESS: is needed with AUTH=${AUTH}; set UPSTREAM_ADDRESS=embedded if callers shall get local drawings`,
    ],
  },
  {
    of: ['AUTH', 'UPSTREAM_ADDRESS'],
    mistakes: (values) => [
      values.AUTH === 'passthrough' &&
        values.UPSTREAM_ADDRESS === 'embedded' &&
        'AUTH: passthrough needs an UPSTREAM_ADDRESS that checks the credentials of callers; the embedded service knows none of them',
      values.AUTH === 'passthrough' &&
        values.UPSTREAM_ADDRESS === undefined &&
        values.BACKEND_URL !== undefined &&
        'AUTH: passthrough does not go with BACKEND_URL: no one would check the credentials of callers; set AUTH=keys or AUTH=jwt',
    ],
  },
  {
    of: ['AUTH', 'HOST', 'ALLOW_ANONYMOUS'],
    mistakes: (values) => [
      isOpenToAll(values) &&
        !values.ALLOW_ANONYMOUS &&
        'HOST: listening away from loopback with AUTH=none lets every client spend; set AUTH=keys, or ALLOW_ANONYMOUS=true if that is meant',
    ],
  },
  {
    of: ['DRAIN_DELAY_MS', 'SHUTDOWN_TIMEOUT_MS'],
    mistakes: (values) => [
      values.DRAIN_DELAY_MS >= values.SHUTDOWN_TIMEOUT_MS &&
        'DRAIN_DELAY_MS: must be less than SHUTDOWN_TIMEOUT_MS',
    ],
  },
  {
    of: ['PICTURE_BYTES_MAX', 'IMAGE_BYTES_MAX'],
    mistakes: (values) => [
      imageMemoryBytesMaxOf(values) < 2 * readBytesMaxOf(values) &&
        'PICTURE_BYTES_MAX: must be at least twice IMAGE_BYTES_MAX + 1 MiB',
    ],
  },
  ...realUpstreamNames.map((name): Rule => ({
    of: ['UPSTREAM_ADDRESS', name],
    mistakes: (values) => [
      isUpstreamEmbedded(values) &&
        values[name] !== undefined &&
        `${name}: needs UPSTREAM_ADDRESS, the address of a real upstream`,
    ],
  })),
  {
    of: Object.keys(backendSettings) as (keyof typeof backendSettings)[],
    mistakes: backendMistakes,
  },
  {
    of: ['BACKEND_URL', 'UPSTREAM_ADDRESS'],
    mistakes: (values) => [
      values.BACKEND_URL !== undefined &&
        !isUpstreamEmbedded(values) &&
        'BACKEND_URL: is for the embedded service; with an UPSTREAM_ADDRESS, set it for the service there',
    ],
  },
  {
    of: ['UPSTREAM_ADDRESS', 'AUTH', ...credentialNames],
    mistakes: (values) => [
      // A plaintext upstream is the operator's own, such as the emulator, and may need no credential.
      isUpstreamTls(values) &&
        values.AUTH !== 'passthrough' &&
        credentialNames.every((name) => values[name] === undefined) &&
        `UPSTREAM_ADDRESS: needs one credential: ${credentialNames.join(', ')}`,
    ],
  },
  {
    of: ['UPSTREAM_ADDRESS', 'FOLDER_ID', 'DEFAULT_MODEL'],
    mistakes: (values) => [
      isUpstreamTls(values) &&
        values.FOLDER_ID === undefined &&
        !values.DEFAULT_MODEL.startsWith('art://') &&
        'FOLDER_ID: is needed to complete model names',
    ],
  },
];

/**
 * Every mistake between settings.
 *
 * @param wrong Settings whose own value is wrong: rules about them say nothing.
 */
export function mistakesBetween(
  values: SettingValues,
  wrong: ReadonlySet<string>,
): readonly string[] {
  return rules
    .filter((rule) => !rule.of.some((name) => wrong.has(name)))
    .flatMap((rule) => rule.mistakes(values))
    .filter((mistake) => mistake !== false);
}

const mebibyte = 1_048_576;

/** The largest response to one read: the largest image and the fields around it. */
function readBytesMaxOf({ IMAGE_BYTES_MAX }: SettingValues): number {
  return IMAGE_BYTES_MAX + mebibyte;
}

/** Bytes that all images together may take in memory. */
export function imageMemoryBytesMaxOf(values: SettingValues): number {
  return values.PICTURE_BYTES_MAX ?? Math.max(512 * mebibyte, 4 * readBytesMaxOf(values));
}

/** Whether every client on the network may spend. An operator may want that, but it deserves a warning. */
export function isOpenToAll({ AUTH, HOST }: SettingValues): boolean {
  return AUTH === 'none' && !isLoopbackHost(HOST);
}

/** Whether the image service runs inside this process: chosen by name, or because no address is set. */
export function isUpstreamEmbedded({ UPSTREAM_ADDRESS: address }: SettingValues): boolean {
  return address === undefined || address === 'embedded';
}

/** Whether the upstream is the product's own service, whose words about money are believed. */
export function isUpstreamService(values: SettingValues): boolean {
  return isUpstreamEmbedded(values) || values.UPSTREAM_IS_SERVICE === true;
}

/** Reads the upstream allows a second: the vendor publishes 50; the service has no such quota, and serves more than a gateway needs. */
export function readsPerSecondMaxOf(values: SettingValues): number {
  return values.RESULT_READS_PER_SECOND_MAX ?? (isUpstreamService(values) ? 1_000 : 50);
}

/** Whether the upstream is reached by TLS, as the vendor's is. */
export function isUpstreamTls(values: SettingValues): boolean {
  return !isUpstreamEmbedded(values) && values.UPSTREAM_ADDRESS?.startsWith('http://') !== true;
}

/** Whether several gateways share one store. */
export function isStoreShared({ STORE_URL, STORE_URL_FILE }: SettingValues): boolean {
  return STORE_URL !== undefined || STORE_URL_FILE !== undefined;
}
