import {
  Client,
  connectivityState,
  type ChannelCredentials,
  type ChannelOptions,
} from '@grpc/grpc-js';

export interface UpstreamChannelOptions {
  readonly target: string;
  readonly credentials: ChannelCredentials;
  readonly channelOptions: ChannelOptions;
  /** How long a connection attempt may stay without an outcome. */
  readonly connectTimeoutMs: number;
  /** Told when a stuck connection attempt was given up. */
  readonly onStuck?: (() => void) | undefined;
}

const watchMs = 60_000;

/**
 * One gRPC channel that is connected from the start and does not get stuck.
 *
 * grpc-js has no connect timeout: a peer that accepts TCP and then stays silent
 * leaves the channel CONNECTING for good, even after the path heals. A watchdog
 * closes such a client and takes a new one.
 */
export class UpstreamChannel {
  readonly #options: UpstreamChannelOptions;
  #client: Client;
  #hasBeenReady = false;
  #isClosed = false;
  #stuckTimer: NodeJS.Timeout | undefined;

  constructor(options: UpstreamChannelOptions) {
    this.#options = options;
    this.#client = this.#dial();
  }

  /** The client to make the next call with; not to be kept. */
  get client(): Client {
    return this.#client;
  }

  /** Whether the upstream was ever reached. */
  get hasBeenReady(): boolean {
    return this.#hasBeenReady;
  }

  /** Ends the calls in flight with CANCELLED. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#stuckTimer);
    this.#client.close();
  }

  #dial(): Client {
    const { target, credentials, channelOptions } = this.#options;
    const client = new Client(target, credentials, channelOptions);
    this.#watch(client);
    return client;
  }

  /** Follows the state of one client until it is replaced or closed. */
  #watch(client: Client): void {
    if (this.#isClosed || (this.#client !== undefined && client !== this.#client)) return;
    const channel = client.getChannel();
    const state = channel.getConnectivityState(!this.#hasBeenReady);
    if (state === connectivityState.SHUTDOWN) return;
    if (state === connectivityState.READY) this.#hasBeenReady = true;
    if (state !== connectivityState.CONNECTING) {
      clearTimeout(this.#stuckTimer);
      this.#stuckTimer = undefined;
    } else {
      this.#stuckTimer ??= setTimeout(
        () => this.#replace(),
        this.#options.connectTimeoutMs,
      ).unref();
    }
    channel.watchConnectivityState(state, Date.now() + watchMs, () => this.#watch(client));
  }

  #replace(): void {
    this.#stuckTimer = undefined;
    if (this.#isClosed) return;
    this.#options.onStuck?.();
    const stuck = this.#client;
    this.#client = this.#dial();
    stuck.close();
  }
}
