import { readFile, stat } from 'node:fs/promises';

/** Where the gateway's own credential for the upstream comes from. */
export interface TokenSource {
  /**
   * The value of `authorization`, or undefined when calls carry none.
   *
   * @throws Error that names the setting, never the credential.
   */
  authorization(): Promise<string | undefined>;
  /** Told that the upstream answered UNAUTHENTICATED to this value. Returns at once and never throws. */
  refused?(authorization: string): void;
}

export interface CredentialSettings {
  readonly apiKey?: string | undefined;
  readonly apiKeyFile?: string | undefined;
  readonly iamToken?: string | undefined;
  readonly iamTokenFile?: string | undefined;
}

type Scheme = 'Api-Key' | 'Bearer';

/**
 * The source for what is configured; none when nothing is. A file is read once
 * here, so that a wrong one stops the start.
 *
 * @throws Error that names the setting.
 */
export async function tokenSourceFromSettings(
  settings: CredentialSettings,
  nowMs: () => number = Date.now,
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
  return { authorization: async () => undefined };
}

function fixedToken(text: string, scheme: Scheme, setting: string): TokenSource {
  const value = authorizationFromText(text, scheme, setting);
  return { authorization: async () => value };
}

const lookAgainMs = 1_000;

interface FileTokenOptions {
  readonly scheme: Scheme;
  readonly setting: string;
  readonly nowMs: () => number;
}

/** Looks at the file again when its time or size has changed, at most once a second. */
async function fileToken(
  path: string,
  { scheme, setting, nowMs }: FileTokenOptions,
): Promise<TokenSource> {
  let known = { value: '', version: '' };
  let lookedAtMs = nowMs();
  const look = async () => {
    const { mtimeMs, size } = await stat(path);
    const version = `${mtimeMs} ${size}`;
    if (version === known.version) return;
    known = {
      value: authorizationFromText(await readFile(path, 'utf8'), scheme, setting),
      version,
    };
  };
  await look().catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    throw code === undefined ? error : new Error(`${setting}: the file can not be read (${code})`);
  });
  return {
    async authorization() {
      if (nowMs() - lookedAtMs < lookAgainMs) return known.value;
      lookedAtMs = nowMs();
      // A file that is just being replaced is no reason to fail: the last good value still holds.
      await look().catch(() => undefined);
      return known.value;
    },
  };
}

const withScheme = /^(api-key|bearer) +/i;
const visibleAscii = /^[\x21-\x7e]+$/;

/**
 * A secret as the value of a header. What follows it in a file is cut off: a
 * line end in a header value makes grpc-js throw an error that holds the value.
 */
function authorizationFromText(text: string, scheme: Scheme, setting: string): string {
  const trimmed = text.trim();
  const given = withScheme.exec(trimmed)?.[1]?.toLowerCase();
  const secret = trimmed.replace(withScheme, '');
  if (!visibleAscii.test(secret)) {
    throw new Error(`${setting}: must hold one credential in visible ASCII`);
  }
  if (given === undefined) return `${scheme} ${secret}`;
  return `${given === 'bearer' ? 'Bearer' : 'Api-Key'} ${secret}`;
}
