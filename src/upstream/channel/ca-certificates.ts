import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';

/** The CA certificates that are trusted in place of Node's own. They can be replaced while channels use them. */
export class CaCertificates {
  #pem: Buffer;
  readonly #listeners: ((pem: Buffer) => void)[] = [];

  constructor(pem: Buffer) {
    this.#pem = pem;
  }

  get pem(): Buffer {
    return this.#pem;
  }

  /** Calls back after each replacement. */
  onReplaced(listener: (pem: Buffer) => void): void {
    this.#listeners.push(listener);
  }

  replace(pem: Buffer): void {
    this.#pem = pem;
    for (const listener of this.#listeners) listener(pem);
  }
}

const pemBlock = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/**
 * A file of CA certificates as it stands, once it is known to hold one. Without
 * the check TLS would trust no server, and say so only by failing for ever.
 *
 * @throws Error that holds nothing of the file.
 */
export function caPemFromFile(bytes: Buffer): Buffer {
  const blocks = bytes.toString('latin1').match(pemBlock) ?? [];
  if (blocks.length === 0) throw new Error('must hold a certificate in PEM');
  for (const [index, block] of blocks.entries()) {
    try {
      void new X509Certificate(block);
    } catch {
      throw new Error(`its certificate number ${index + 1} cannot be read`);
    }
  }
  try {
    createSecureContext({ ca: bytes });
  } catch {
    throw new Error('its certificates cannot be used');
  }
  return bytes;
}
