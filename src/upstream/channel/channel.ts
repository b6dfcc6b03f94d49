import {
  Client,
  connectivityState,
  type ChannelCredentials,
  type ChannelOptions,
} from '@grpc/grpc-js';
import { reconnectBackoffMaxMs } from './channel-options.ts';

export interface UpstreamChannelOptions {
  readonly target: string;
  readonly credentials: ChannelCredentials;
  readonly channelOptions: ChannelOptions;
  /** How long a connection attempt may stay without an outcome. */
  readonly connectTimeoutMs: number;
  /** Told when there was no connection, or no answer on it, for too long and the client is replaced. */
  readonly onStuck?: (() => void) | undefined;
}

const watchMs = 60_000;
/** Calls in a row that a connection may leave without a word. */
const silencesMax = 2;

/**
 * One gRPC channel that is connected from the start and does not get stuck.
 *
 * grpc-js has no connect timeout: a peer that accepts TCP and then stays silent
 * leaves the channel CONNECTING for good, even after the path heals. And a path
 * that swallows packets looks READY until a ping finds out, after 70 s. A
 * watchdog closes such a client and takes a new one.
 */
export class UpstreamChannel {
  readonly #options: UpstreamChannelOptions;
  #client: Client;
  #state: connectivityState | undefined;
  #hasBeenReady = false;
  #isStuck = false;
  #isClosed = false;
  #stuckTimer: NodeJS.Timeout | undefined;
  #silences = 0;

  constructor(options: UpstreamChannelOptions) {
    this.#options = options;
    this.#client = this.#dialed();
    this.#follow();
  }

  /**
   * The client to make the next call with; not to be kept. None after a
   * connection attempt got stuck, until a later one gets through: a call would
   * wait for that as long as its deadline lets it.
   */
  get client(): Client | undefined {
    return this.#isStuck ? undefined : this.#client;
  }

  /** Whether the upstream was ever reached. */
  get hasBeenReady(): boolean {
    return this.#hasBeenReady;
  }

  /** A call on this client ended with an answer of the upstream's, good or bad. */
  responded(client: Client): void {
    if (client === this.#client) this.#silences = 0;
  }

  /** A call on this client got no word until its deadline: after a few, the connection is not trusted. */
  timedOut(client: Client): void {
    if (this.#isClosed || client !== this.#client) return;
    if (this.#state !== connectivityState.READY) return;
    this.#silences += 1;
    if (this.#silences >= silencesMax) this.#replace();
  }

  /** No call can be made any more. Those in flight go on to their end. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#stuckTimer);
    this.#client.close();
  }

  #dialed(): Client {
    const { target, credentials, channelOptions } = this.#options;
    return new Client(target, credentials, channelOptions);
  }

  /** Looks at the state of the present client now and whenever it changes. */
  #follow(): void {
    if (this.#isClosed) return;
    const client = this.#client;
    const channel = client.getChannel();
    const state = channel.getConnectivityState(this.#isStuck || !this.#hasBeenReady);
    if (state !== this.#state) this.#enter(state);
    channel.watchConnectivityState(state, Date.now() + watchMs, () => {
      if (client === this.#client) this.#follow();
    });
  }

  #enter(state: connectivityState): void {
    this.#state = state;
    clearTimeout(this.#stuckTimer);
    const isReady = state === connectivityState.READY;
    const isFailing = state === connectivityState.TRANSIENT_FAILURE;
    if (isReady) {
      this.#hasBeenReady = true;
      this.#isStuck = false;
    }
    if (isReady || state === connectivityState.IDLE) return;
    // A channel that failed once keeps that state through its later attempts, stuck ones too.
    const { connectTimeoutMs } = this.#options;
    const limitMs = isFailing ? connectTimeoutMs + reconnectBackoffMaxMs : connectTimeoutMs;
    this.#stuckTimer = setTimeout(() => this.#replace(), limitMs).unref();
  }

  #replace(): void {
    this.#options.onStuck?.();
    const stuck = this.#client;
    this.#isStuck = true;
    this.#state = undefined;
    this.#silences = 0;
    this.#client = this.#dialed();
    stuck.close();
    this.#follow();
  }
}
