import { isVisibleAscii } from '../../text/visible-ascii.ts';
import type { CaCertificates } from '../channel/ca-certificates.ts';
import { openIamExchange } from './iam-exchange.ts';
import { openInstanceMetadata } from './instance-metadata.ts';
import { RefreshingToken } from './refreshing-token.ts';
import { openReloadingFile } from './reloading-file.ts';
import { assertionFromKey, serviceAccountKeyFromText } from './service-account.ts';
import type { UpstreamLog } from '../channel/silence-grpc-logger.ts';

/** A source of the gateway's own credential for the upstream. */
export interface TokenSource {
  /**
   * The value of `authorization`, or undefined when calls carry none.
   *
   * @throws Error that names the setting, never the credential.
   */
  authorization(): Promise<string | undefined>;
  /** Reports that the upstream answered UNAUTHENTICATED to this value. Returns at once and never throws. */
  refused?(authorization: string): void;
}

export interface CredentialSettings {
  readonly apiKey?: string | undefined;
  readonly apiKeyFile?: string | undefined;
  readonly iamToken?: string | undefined;
  readonly iamTokenFile?: string | undefined;
  readonly serviceAccountKeyFile?: string | undefined;
  /** Where service account keys are exchanged: `host:port`, or `http://host:port`. */
  readonly iamAddress?: string | undefined;
  /** The CA to trust there in place of Node's. */
  readonly ca?: CaCertificates | undefined;
  /** Origin of the instance metadata service. */
  readonly metadataService?: string | undefined;
}

export interface TokenSourcePorts {
  /** Milliseconds since 1970-01-01 UTC. */
  readonly nowMs?: () => number;
  /** Gets a line when a token could not be replaced: no call fails while the old one is valid. */
  readonly log?: UpstreamLog;
}

type Scheme = 'Api-Key' | 'Bearer';

/**
 * The token source that the settings name; with none, calls carry no
 * credential. A file is read here once, so that a wrong one stops the start. No
 * network request is made before the first call.
 *
 * @throws Error that names the setting.
 */
export async function tokenSourceFromSettings(
  settings: CredentialSettings,
  { nowMs = Date.now, log }: TokenSourcePorts = {},
): Promise<TokenSource> {
  const { apiKey, apiKeyFile, iamToken, iamTokenFile } = settings;
  if (apiKey !== undefined) return fixedToken(apiKey, 'Api-Key', 'UPSTREAM_API_KEY');
  if (iamToken !== undefined) return fixedToken(iamToken, 'Bearer', 'UPSTREAM_IAM_TOKEN');
  if (apiKeyFile !== undefined) {
    return fileToken(apiKeyFile, { scheme: 'Api-Key', setting: 'UPSTREAM_API_KEY_FILE', nowMs });
  }
  if (iamTokenFile !== undefined) {
    return fileToken(iamTokenFile, { scheme: 'Bearer', setting: 'UPSTREAM_IAM_TOKEN_FILE', nowMs });
  }
  const onFailure = (error: Error) =>
    log?.warn({ cause: error.message }, 'the token for the upstream was not renewed');
  const { serviceAccountKeyFile, metadataService } = settings;
  if (serviceAccountKeyFile !== undefined) {
    return serviceAccountToken(serviceAccountKeyFile, settings, { nowMs, onFailure });
  }
  if (metadataService !== undefined) {
    const fetchToken = openInstanceMetadata({ origin: metadataService, nowMs });
    return new RefreshingToken({ fetchToken, nowMs, onFailure });
  }
  return { authorization: async () => undefined };
}

function fixedToken(text: string, scheme: Scheme, setting: string): TokenSource {
  const value = authorizationFromText(text, scheme, setting);
  return { authorization: async () => value };
}

interface FileTokenOptions {
  readonly scheme: Scheme;
  readonly setting: string;
  readonly nowMs: () => number;
}

async function fileToken(
  path: string,
  { scheme, setting, nowMs }: FileTokenOptions,
): Promise<TokenSource> {
  const parse = (text: string) => authorizationFromText(text, scheme, setting);
  const file = await openReloadingFile(path, { setting, nowMs, parse });
  return { authorization: () => file.value() };
}

interface ServiceAccountPorts {
  readonly nowMs: () => number;
  readonly onFailure: (error: Error) => void;
}

/** Tokens for the key in a file. A changed key is used at once; the old token serves until the new key has its own. */
async function serviceAccountToken(
  path: string,
  { iamAddress = '', ca }: CredentialSettings,
  { nowMs, onFailure }: ServiceAccountPorts,
): Promise<TokenSource> {
  const setting = 'UPSTREAM_SERVICE_ACCOUNT_KEY_FILE';
  const parse = (text: string) => serviceAccountKeyFromText(text, setting);
  const file = await openReloadingFile(path, { setting, nowMs, parse });
  const exchange = openIamExchange({ address: iamAddress, ca });
  let key = await file.value();
  const token = new RefreshingToken({
    fetchToken: () => exchange(assertionFromKey(key, nowMs())),
    nowMs,
    onFailure,
  });
  return {
    async authorization() {
      const current = await file.value();
      if (current !== key) {
        key = current;
        token.renew();
      }
      return token.authorization();
    },
    refused: (authorization) => token.refused(authorization),
  };
}

const withScheme = /^(api-key|bearer) +/i;

/**
 * A secret as the value of `authorization`. White space around it is removed: a
 * line end in a header value makes grpc-js throw an error that holds the value.
 */
function authorizationFromText(text: string, scheme: Scheme, setting: string): string {
  const trimmed = text.trim();
  const given = withScheme.exec(trimmed)?.[1]?.toLowerCase();
  const secret = trimmed.replace(withScheme, '');
  if (!isVisibleAscii(secret)) {
    throw new Error(`${setting}: must hold one credential in visible ASCII`);
  }
  if (given === undefined) return `${scheme} ${secret}`;
  return `${given === 'bearer' ? 'Bearer' : 'Api-Key'} ${secret}`;
}
