import { constants, createPrivateKey, sign, type KeyObject } from 'node:crypto';
import { isVisibleAscii } from '../../text/visible-ascii.ts';

/** A service account's authorized key, with which the gateway proves its identity. */
export interface ServiceAccountKey {
  readonly id: string;
  readonly serviceAccountId: string;
  readonly privateKey: KeyObject;
}

/** https://yandex.cloud/en/docs/iam/operations/iam-token/create-for-sa#via-jwt */
const audience = 'https://iam.api.cloud.yandex.net/iam/v1/tokens';
const assertionLifeS = 3_600;
const idCharactersMax = 256;

/**
 * Reads the JSON file that the vendor creates with a key.
 *
 * Errors say which part is wrong and quote nothing, not even by `cause`: the
 * parsers' own messages hold the text they failed on.
 *
 * @throws Error that names the setting.
 */
export function serviceAccountKeyFromText(text: string, setting: string): ServiceAccountKey {
  const { id, service_account_id: serviceAccountId, private_key: pem } = fieldsOf(text, setting);
  for (const [name, value] of Object.entries({ id, service_account_id: serviceAccountId })) {
    if (typeof value !== 'string' || !isVisibleAscii(value, idCharactersMax)) {
      throw new Error(`${setting}: ${name} must be an id`);
    }
  }
  return {
    id: String(id),
    serviceAccountId: String(serviceAccountId),
    privateKey: privateKeyFromPem(typeof pem === 'string' ? pem : '', setting),
  };
}

function fieldsOf(text: string, setting: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error(`${setting}: must hold JSON`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error(`${setting}: must hold a JSON object`);
  }
  return value as Readonly<Record<string, unknown>>;
}

function privateKeyFromPem(pem: string, setting: string): KeyObject {
  let key: KeyObject | undefined;
  try {
    // The vendor writes a line of warning before the key.
    key = createPrivateKey(pem.slice(Math.max(0, pem.indexOf('-----BEGIN'))));
  } catch {
    // Reported below, without OpenSSL's message.
  }
  if (key?.asymmetricKeyType !== 'rsa') {
    throw new Error(`${setting}: private_key must be an RSA key in PEM, without a passphrase`);
  }
  return key;
}

/** A signed statement that IAM exchanges for a token; a secret for as long as it lives, one hour. */
export function assertionFromKey(key: ServiceAccountKey, nowMs: number): string {
  const issuedAtS = Math.floor(nowMs / 1000);
  const header = { typ: 'JWT', alg: 'PS256', kid: key.id };
  const claims = {
    iss: key.serviceAccountId,
    aud: audience,
    iat: issuedAtS,
    exp: issuedAtS + assertionLifeS,
  };
  const text = `${base64urlJson(header)}.${base64urlJson(claims)}`;
  // RFC 7518, section 3.5: the salt is as long as the hash. Node's default is the longest possible salt.
  const signature = sign('sha256', Buffer.from(text), {
    key: key.privateKey,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  });
  return `${text}.${signature.toString('base64url')}`;
}

function base64urlJson(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
