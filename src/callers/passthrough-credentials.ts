import { createHash } from 'node:crypto';
import { GatewayError } from '../errors/gateway-error.ts';

/** What the upstream says of a caller's own credential; `unknown` while it says nothing. */
export type CredentialState = 'accepted' | 'refused' | 'unknown';

export interface PassthroughCredentialsOptions {
  /** Asks the upstream, at no cost, whether it accepts this value of `authorization`. Never rejects. */
  readonly ask: (authorization: string) => Promise<CredentialState>;
  /** Monotonic milliseconds. */
  readonly elapsedMs: () => number;
}

interface Known {
  readonly state: CredentialState;
  readonly untilMs: number;
}

/** How long a state is remembered. An accepted credential may end sooner: the upstream still decides about each call. */
const rememberedMs: Readonly<Record<CredentialState, number>> = {
  accepted: 3_600_000,
  refused: 10_000,
  unknown: 5_000,
};
const rememberedMax = 10_000;
const askedAtOnceMax = 1_024;
/** The same from one peer, so that a stranger with many invented credentials leaves room for new callers elsewhere. */
const askedAtOnceByPeerMax = 256;

/**
 * The credentials that callers bring for the upstream, as far as it has accepted
 * them. A credential is asked about once, before a request with it takes anything
 * that callers share: a limit, a read, memory, a row in the store. Otherwise
 * anyone could use all of that up with invented credentials.
 *
 * Only hashes of credentials are remembered. Those that were accepted have a
 * memory of their own, so that invented ones cannot push them out.
 */
export class PassthroughCredentials {
  readonly #options: PassthroughCredentialsOptions;
  /** By the credential's hash; each in order of use. */
  readonly #accepted = new Map<string, Known>();
  readonly #others = new Map<string, Known>();
  readonly #asked = new Map<string, Promise<CredentialState>>();
  readonly #askedByPeer = new Map<string, number>();

  constructor(options: PassthroughCredentialsOptions) {
    this.#options = options;
  }

  /**
   * `unknown` only for a credential that was never accepted.
   *
   * @param peer The address that the request comes from.
   * @throws GatewayError `overloaded` when too many new credentials are asked about at once.
   */
  stateOf(authorization: string, peer = ''): CredentialState | Promise<CredentialState> {
    const hash = credentialHash(authorization);
    const known = this.#accepted.get(hash) ?? this.#others.get(hash);
    if (known !== undefined && this.#options.elapsedMs() < known.untilMs) {
      if (known.state === 'accepted') this.#remember(hash, known);
      return known.state;
    }
    return this.#asked.get(hash) ?? this.#ask(hash, authorization, peer);
  }

  /** Records that the upstream refused a call with this credential. */
  refused(authorization: string): void {
    const untilMs = this.#options.elapsedMs() + rememberedMs.refused;
    this.#remember(credentialHash(authorization), { state: 'refused', untilMs });
  }

  #ask(
    hash: string,
    authorization: string,
    peer: string,
  ): CredentialState | Promise<CredentialState> {
    const byPeer = this.#askedByPeer.get(peer) ?? 0;
    if (this.#asked.size >= askedAtOnceMax || byPeer >= askedAtOnceByPeerMax) {
      if (this.#accepted.has(hash)) return 'accepted';
      throw new GatewayError('overloaded', 'too many credentials are being checked; send it again');
    }
    const asked = this.#options.ask(authorization).then((found) => {
      this.#asked.delete(hash);
      this.#count(peer, -1);
      // One that was accepted before goes on while the upstream says nothing: each call decides.
      const isKnown = found === 'unknown' && this.#accepted.has(hash);
      const state = isKnown ? 'accepted' : found;
      this.#remember(hash, { state, untilMs: this.#options.elapsedMs() + rememberedMs[found] });
      return state;
    });
    this.#asked.set(hash, asked);
    this.#count(peer, 1);
    return asked;
  }

  #count(peer: string, change: 1 | -1): void {
    const count = (this.#askedByPeer.get(peer) ?? 0) + change;
    if (count === 0) this.#askedByPeer.delete(peer);
    else this.#askedByPeer.set(peer, count);
  }

  #remember(hash: string, known: Known): void {
    this.#accepted.delete(hash);
    this.#others.delete(hash);
    const memory = known.state === 'accepted' ? this.#accepted : this.#others;
    memory.set(hash, known);
    if (memory.size <= rememberedMax) return;
    const [oldest] = memory.keys();
    if (oldest !== undefined) memory.delete(oldest);
  }
}

/** Tells credentials apart without being one. */
export function credentialHash(authorization: string): string {
  return createHash('sha256').update(authorization).digest('base64url').slice(0, 22);
}
