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
  /** Longest time that one connection attempt may take. */
  readonly connectTimeoutMs: number;
  /** Called when the client is replaced: it had no connection, or its calls no response, for too long. */
  readonly onStuck?: (() => void) | undefined;
}

const watchMs = 60_000;
/** Calls in a row that may get no response before the connection is replaced. */
const silentCallsMax = 2;

/**
 * One gRPC channel that connects at once and does not get stuck.
 *
 * grpc-js has no connect timeout: a peer that accepts TCP and then stays silent
 * leaves the channel CONNECTING forever, even after the network recovers. And a
 * network that drops all packets looks READY until a ping fails, after 70 s. A
 * watchdog closes such a client and opens a new one.
 */
export class UpstreamChannel {
  readonly #options: UpstreamChannelOptions;
  #credentials: ChannelCredentials;
  #client: Client;
  #state: connectivityState | undefined;
  #hasBeenReady = false;
  #isStuck = false;
  #isClosed = false;
  #stuckTimer: NodeJS.Timeout | undefined;
  #silentCalls = 0;

  constructor(options: UpstreamChannelOptions) {
    this.#options = options;
    this.#credentials = options.credentials;
    this.#client = this.#openClient();
    this.#watch();
  }

  /**
   * The client for the next call; do not keep it. Undefined after a connection
   * attempt got stuck, until a later attempt succeeds: a call would otherwise
   * wait for that until its deadline.
   */
  get client(): Client | undefined {
    return this.#isStuck ? undefined : this.#client;
  }

  /** Whether a connection was ever established. */
  get hasBeenReady(): boolean {
    return this.#hasBeenReady;
  }

  /** Records that a call on this client got a response, whatever its status. */
  responded(client: Client): void {
    if (client === this.#client) this.#silentCalls = 0;
  }

  /** Records that a call on this client got nothing before its deadline: after two in a row the connection is replaced. */
  timedOut(client: Client): void {
    if (this.#isClosed || client !== this.#client) return;
    if (this.#state !== connectivityState.READY) return;
    this.#silentCalls += 1;
    if (this.#silentCalls >= silentCallsMax) this.#replaceStuck();
  }

  /** Makes later calls on a new connection with these credentials. Calls in flight continue on the old one. */
  replaceCredentials(credentials: ChannelCredentials): void {
    if (this.#isClosed) return;
    this.#credentials = credentials;
    this.#replaceClient();
  }

  /** Refuses later calls. Calls in flight continue to their end. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#stuckTimer);
    this.#client.close();
  }

  #openClient(): Client {
    const { target, channelOptions } = this.#options;
    return new Client(target, this.#credentials, channelOptions);
  }

  /** Handles the state of the current client, now and whenever it changes. */
  #watch(): void {
    if (this.#isClosed) return;
    const client = this.#client;
    const channel = client.getChannel();
    const state = channel.getConnectivityState(this.#isStuck || !this.#hasBeenReady);
    if (state !== this.#state) this.#enterState(state);
    channel.watchConnectivityState(state, Date.now() + watchMs, () => {
      if (client === this.#client) this.#watch();
    });
  }

  #enterState(state: connectivityState): void {
    this.#state = state;
    clearTimeout(this.#stuckTimer);
    const isReady = state === connectivityState.READY;
    const isFailing = state === connectivityState.TRANSIENT_FAILURE;
    if (isReady) {
      this.#hasBeenReady = true;
      this.#isStuck = false;
    }
    if (isReady || state === connectivityState.IDLE) return;
    // A channel that failed once stays in that state during its later attempts, stuck ones too.
    const { connectTimeoutMs } = this.#options;
    const limitMs = isFailing ? connectTimeoutMs + reconnectBackoffMaxMs : connectTimeoutMs;
    this.#stuckTimer = setTimeout(() => this.#replaceStuck(), limitMs).unref();
  }

  #replaceStuck(): void {
    this.#options.onStuck?.();
    this.#isStuck = true;
    this.#replaceClient();
  }

  #replaceClient(): void {
    const former = this.#client;
    clearTimeout(this.#stuckTimer);
    this.#state = undefined;
    this.#silentCalls = 0;
    this.#client = this.#openClient();
    former.close();
    this.#watch();
  }
}
