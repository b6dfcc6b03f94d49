import type { ChannelOptions } from '@grpc/grpc-js';

/** How much a channel may receive. */
export interface ReceiveLimits {
  /** Largest message accepted. */
  readonly messageBytesMax: number;
  /** HTTP/2 flow control window; it bounds throughput at window ÷ round trip. */
  readonly windowBytes: number;
}

/** Longest pause between two connection attempts, before 20 % jitter: calls work again within 5 s after the upstream is back. */
export const reconnectBackoffMaxMs = 2_000;

/** Far above the largest request; a larger one is refused before it is sent. */
const requestBytesMax = 1_048_576;

/** The grpc-js options of every channel; only the receive limits differ. */
export function channelOptions({ messageBytesMax, windowBytes }: ReceiveLimits): ChannelOptions {
  return {
    'grpc.max_receive_message_length': messageBytesMax,
    'grpc.max_send_message_length': requestBytesMax,
    'grpc-node.flow_control_window': windowBytes,
    // A stuck connection must not be shared with the client that replaces this one.
    'grpc.use_local_subchannel_pool': 1,
    // A service config from DNS could switch on retries; only this process decides about them.
    'grpc.service_config_disable_resolution': 1,
    'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
    // Off, including the one retry of a refused stream: a Generate is sent once.
    'grpc.enable_retries': 0,
    'grpc.enable_http_proxy': 0,
    'grpc.enable_channelz': 0,
    // After faster pings, servers send a GOAWAY that ends the calls in flight.
    'grpc.keepalive_time_ms': 60_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.keepalive_permit_without_calls': 0,
    // A connection that was silent for long may be dead: connect again instead of using it.
    'grpc.client_idle_timeout_ms': 60_000,
    'grpc.initial_reconnect_backoff_ms': 200,
    'grpc.max_reconnect_backoff_ms': reconnectBackoffMaxMs,
    // Resolve the name at every attempt, not every 30 s, so that an upstream that moved is found.
    'grpc.dns_min_time_between_resolutions_ms': 1_000,
  };
}
