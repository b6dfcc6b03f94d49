import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate, type TestCertificate } from '../../support/certificate.ts';
import type { ObservedCallers } from '../observed-callers.ts';
import { startRecordingServer } from '../recording-server.ts';
import type { ImageUpstream } from '../image-upstream.ts';
import type { Scenario, Harness } from '../harness.ts';
import { until } from '../until.ts';

const key = 'canary-upstream-key-of-this-scenario';
const refusedMsMax = 4_000;
/** TLS records that a client may send before it trusts the server: handshake and alert. */
const handshakeTypes: ReadonlySet<number> = new Set([20, 21, 22]);

/** A peer whose certificate does not prove that it is the upstream gets no request and no credential. */
export const tlsRefusals: Scenario = {
  name: 'tls-refusals',
  fact: 'a peer that is not proven to be the upstream receives nothing: no request, no credential',
  secondsMax: [60, 60],
  async run(harness) {
    const right = makeCertificate();
    const expired = makeCertificate({ expiresInDays: -1 });
    const elsewhere = makeCertificate({ host: 'elsewhere.test' });
    await proven(harness, right);
    await refused(harness, 'a CA of another', { shown: makeCertificate(), ca: right });
    await refused(harness, 'another name', { shown: elsewhere, ca: elsewhere });
    await refused(harness, 'an expired certificate', { shown: expired, ca: expired });
    await refused(harness, 'plain HTTP', { ca: right });
    return 'wrong CA, wrong name, expired, plaintext: refused at once, 0 bytes of HTTP/2 said; the right one is spoken to';
  },
};

interface Certificates {
  /** The peer's certificate; absent: it does not use TLS. */
  readonly shown?: TestCertificate;
  readonly ca: TestCertificate;
}

async function refused(harness: Harness, kind: string, { shown, ca }: Certificates): Promise<void> {
  const peer = await startRecordingServer(shown);
  harness.closeLater(() => peer.close());
  const callers = await callersOf(harness, { port: peer.port, ca });
  for (let count = 0; count < 5; count += 1) {
    const { reported, httpStatus, tookMs } = await callers.create();
    harness.check(
      reported === 'not_started' && [502, 503].includes(httpStatus) && tookMs < refusedMsMax,
      `${kind}: a create got ${httpStatus} ${reported} after ${tookMs.toFixed(0)} ms`,
    );
  }
  harness.check(peer.connections > 0, `${kind}: the peer was never dialled`);
  const { received: heard } = peer;
  harness.check(!heard.includes(key), `${kind}: the peer heard the credential`);
  // HTTP/2 fields may be compressed, so the peer must receive nothing at all.
  if (shown !== undefined) {
    harness.check(heard.length === 0, `${kind}: the peer heard ${heard.length} decrypted bytes`);
  } else {
    const types = recordTypes(heard);
    harness.check(
      types.length > 0 && types.every((type) => handshakeTypes.has(type)),
      `${kind}: the peer heard records of types ${types.join(', ')}`,
    );
  }
}

/** The same setup with the correct certificate: the credential arrives, so the other cases prove something. */
async function proven(harness: Harness, certificate: TestCertificate): Promise<void> {
  const upstream = await harness.upstream({ certificate, workMs: 0 });
  const callers = await callersOf(harness, { port: upstream.port, ca: certificate, upstream });
  const id = await callers.created();
  await callers.finished(id, { withinMs: 30_000 });
  const { authorization } = upstream.raw.calls[0]?.headers ?? {};
  harness.check(authorization === `Api-Key ${key}`, 'the right peer did not get the credential');
  // A trusted peer receives at least the start of HTTP/2.
  const peer = await startRecordingServer(certificate);
  harness.closeLater(() => peer.close());
  await callersOf(harness, { port: peer.port, ca: certificate });
  await until('the start of HTTP/2', () => peer.received.includes('PRI * HTTP/2.0'), {
    withinMs: 30_000,
  });
}

interface Peer {
  readonly port: number;
  /** The CA that the gateway trusts. */
  readonly ca: TestCertificate;
  /** Absent: nothing can be billed. */
  readonly upstream?: ImageUpstream;
}

async function callersOf(harness: Harness, { port, ca, upstream }: Peer): Promise<ObservedCallers> {
  const folder = await mkdtemp(join(tmpdir(), 'gateway-ca-'));
  harness.closeLater(() => rm(folder, { recursive: true, force: true }));
  const caFile = join(folder, 'ca.pem');
  await writeFile(caFile, ca.caPem);
  const gateway = await harness.gateway({
    UPSTREAM_ADDRESS: `https://localhost:${port}`,
    UPSTREAM_CA_FILE: caFile,
    UPSTREAM_API_KEY: key,
    FOLDER_ID: 'local',
  });
  return harness.callers(gateway, upstream, { createMsMax: refusedMsMax, secrets: [key] });
}

/** Types of the TLS records in a stream (RFC 8446, section 5.1). */
function recordTypes(bytes: Buffer): readonly number[] {
  const types: number[] = [];
  for (let at = 0; at + 5 <= bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) {
    types.push(bytes.readUInt8(at));
  }
  return types;
}
