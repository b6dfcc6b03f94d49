import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate, type TestCertificate } from '../../support/certificate.ts';
import type { Audience } from '../audience.ts';
import { startEavesdropper } from '../eavesdropper.ts';
import type { ImageUpstream } from '../image-upstream.ts';
import type { Scenario, Stage } from '../harness.ts';
import { until } from '../until.ts';

const key = 'canary-upstream-key-of-this-scenario';
const refusedMsMax = 4_000;
/** TLS records that a client may send before it trusts the server: handshake and alert. */
const handshakeTypes: ReadonlySet<number> = new Set([20, 21, 22]);

/** Whoever is not the upstream by its certificate gets neither a request nor a credential. */
export const tlsRefusals: Scenario = {
  name: 'tls-refusals',
  fact: 'to who is not proven to be the upstream, nothing is said: neither request nor credential',
  secondsMax: [60, 60],
  async run(stage) {
    const right = makeCertificate();
    const expired = makeCertificate({ expiresInDays: -1 });
    const elsewhere = makeCertificate({ host: 'elsewhere.test' });
    await proven(stage, right);
    await refused(stage, 'a CA of another', { shown: makeCertificate(), ca: right });
    await refused(stage, 'another name', { shown: elsewhere, ca: elsewhere });
    await refused(stage, 'an expired certificate', { shown: expired, ca: expired });
    await refused(stage, 'plain HTTP', { ca: right });
    return 'wrong CA, wrong name, expired, plaintext: refused at once, 0 bytes of HTTP/2 said; the right one is spoken to';
  },
};

interface Certificates {
  /** What the peer shows; absent: it speaks no TLS. */
  readonly shown?: TestCertificate;
  readonly ca: TestCertificate;
}

async function refused(stage: Stage, kind: string, { shown, ca }: Certificates): Promise<void> {
  const peer = await startEavesdropper(shown);
  stage.closeLater(() => peer.close());
  const audience = await audienceOf(stage, { port: peer.port, ca });
  for (let count = 0; count < 5; count += 1) {
    const { spend, httpStatus, tookMs } = await audience.create();
    stage.demand(
      spend === 'not_started' && [502, 503].includes(httpStatus) && tookMs < refusedMsMax,
      `${kind}: a create is told ${httpStatus} ${spend} after ${tookMs.toFixed(0)} ms`,
    );
  }
  stage.demand(peer.connections > 0, `${kind}: the peer was never dialled`);
  const { heard } = peer;
  stage.demand(!heard.includes(key), `${kind}: the peer heard the credential`);
  // What a field of HTTP/2 holds may be packed, so nothing at all may be said.
  if (shown !== undefined) {
    stage.demand(heard.length === 0, `${kind}: the peer heard ${heard.length} decrypted bytes`);
  } else {
    const types = recordTypes(heard);
    stage.demand(
      types.length > 0 && types.every((type) => handshakeTypes.has(type)),
      `${kind}: the peer heard records of types ${types.join(', ')}`,
    );
  }
}

/** The same setup with the right certificate: the credential comes through, so the others show something. */
async function proven(stage: Stage, certificate: TestCertificate): Promise<void> {
  const upstream = await stage.upstream({ certificate, workMs: 0 });
  const audience = await audienceOf(stage, { port: upstream.port, ca: certificate, upstream });
  const id = await audience.created();
  await audience.finished(id, { withinMs: 30_000 });
  const { authorization } = upstream.raw.calls[0]?.headers ?? {};
  stage.demand(authorization === `Api-Key ${key}`, 'the right peer did not get the credential');
  // One who is trusted hears at least that HTTP/2 is spoken.
  const peer = await startEavesdropper(certificate);
  stage.closeLater(() => peer.close());
  await audienceOf(stage, { port: peer.port, ca: certificate });
  await until('HTTP/2 is spoken', () => peer.heard.includes('PRI * HTTP/2.0'), {
    withinMs: 30_000,
  });
}

interface Peer {
  readonly port: number;
  /** What the gateway trusts. */
  readonly ca: TestCertificate;
  /** Absent: nothing can be spent. */
  readonly upstream?: ImageUpstream;
}

async function audienceOf(stage: Stage, { port, ca, upstream }: Peer): Promise<Audience> {
  const folder = await mkdtemp(join(tmpdir(), 'gateway-ca-'));
  stage.closeLater(() => rm(folder, { recursive: true, force: true }));
  const caFile = join(folder, 'ca.pem');
  await writeFile(caFile, ca.caPem);
  const gateway = await stage.gateway({
    UPSTREAM_ADDRESS: `https://localhost:${port}`,
    UPSTREAM_CA_FILE: caFile,
    UPSTREAM_API_KEY: key,
    FOLDER_ID: 'local',
  });
  return stage.audience(gateway, upstream, { createMsMax: refusedMsMax, secrets: [key] });
}

/** Types of the TLS records in a stream (RFC 8446, section 5.1). */
function recordTypes(bytes: Buffer): readonly number[] {
  const types: number[] = [];
  for (let at = 0; at + 5 <= bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) {
    types.push(bytes.readUInt8(at));
  }
  return types;
}
