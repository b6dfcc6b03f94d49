import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

/** A certificate for one host with its key, and the CA that signed it; all PEM. */
export interface TestCertificate {
  readonly caPem: Buffer;
  readonly certPem: string;
  readonly keyPem: string;
}

/**
 * Makes a CA and a server certificate on the spot, so that no key is kept in
 * the repository and none expires. Just enough X.509 (RFC 5280) for TLS.
 */
export function makeCertificate({
  host = 'localhost',
  expiresInDays = 1,
}: { readonly host?: string; readonly expiresInDays?: number } = {}): TestCertificate {
  const ca = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const server = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const caExtensions = [extension('551d13', true, sequence(boolean))];
  // subjectAltName: dNSName [2]
  const altName = extension('551d11', false, sequence(tagged(0x82, Buffer.from(host))));
  const issuer = { name: 'test CA', key: ca.privateKey };
  return {
    caPem: Buffer.from(certificate('test CA', ca.publicKey, issuer, { extensions: caExtensions })),
    certPem: certificate(host, server.publicKey, issuer, { extensions: [altName], expiresInDays }),
    keyPem: server.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function certificate(
  subject: string,
  publicKey: KeyObject,
  issuer: { readonly name: string; readonly key: KeyObject },
  options: { readonly extensions: readonly Buffer[]; readonly expiresInDays?: number },
): string {
  const day = 86_400_000;
  const { extensions, expiresInDays = 1 } = options;
  const expiresAtMs = Date.now() + expiresInDays * day;
  const toSign = sequence(
    tagged(0xa0, tagged(0x02, Buffer.of(2))),
    tagged(0x02, Buffer.of(1 + (subject.length % 100))),
    ecdsaWithSha256,
    name(issuer.name),
    sequence(time(Math.min(Date.now(), expiresAtMs) - day), time(expiresAtMs)),
    name(subject),
    createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })).export({
      type: 'spki',
      format: 'der',
    }),
    tagged(0xa3, sequence(...extensions)),
  );
  const signature = sign('sha256', toSign, issuer.key);
  const der = sequence(toSign, ecdsaWithSha256, tagged(0x03, Buffer.of(0), signature));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

/** DER: tag, length, content. */
function tagged(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  if (length < 128) return Buffer.concat([Buffer.of(tag, length), content]);
  return Buffer.concat([Buffer.of(tag, 0x82, length >> 8, length & 255), content]);
}

function sequence(...contents: readonly Buffer[]): Buffer {
  return tagged(0x30, ...contents);
}

const boolean = tagged(0x01, Buffer.of(255));
const ecdsaWithSha256 = sequence(tagged(0x06, Buffer.from('2a8648ce3d040302', 'hex')));

function name(commonName: string): Buffer {
  const attribute = sequence(
    tagged(0x06, Buffer.from('550403', 'hex')),
    tagged(0x0c, Buffer.from(commonName)),
  );
  return sequence(tagged(0x31, attribute));
}

function time(atMs: number): Buffer {
  const text = new Date(atMs).toISOString().replace(/[-:T]/g, '').slice(0, 14);
  return tagged(0x18, Buffer.from(`${text}Z`));
}

function extension(id: string, isCritical: boolean, value: Buffer): Buffer {
  const parts = [tagged(0x06, Buffer.from(id, 'hex')), tagged(0x04, value)];
  if (isCritical) parts.splice(1, 0, boolean);
  return sequence(...parts);
}
