import type { ChannelOptions } from '@grpc/grpc-js';

export interface ReceiveLimits {
  /** Largest message taken. */
  readonly messageBytesMax: number;
  /** HTTP/2 flow control window; it bounds throughput at window ÷ round trip. */
  readonly windowBytes: number;
}

/** Longest pause between two connection attempts, before 20 % of jitter: service is back within 5 s of the upstream. */
export const reconnectBackoffMaxMs = 2_000;

/** Far more than the largest request; what is larger is refused before it is sent. */
const requestBytesMax = 1_048_576;

/** Deadlines and limits that every channel has; what differs is how much it may receive. */
export function channelOptions({ messageBytesMax, windowBytes }: ReceiveLimits): ChannelOptions {
  return {
    'grpc.max_receive_message_length': messageBytesMax,
    'grpc.max_send_message_length': requestBytesMax,
    'grpc-node.flow_control_window': windowBytes,
    // A stuck connection must not be shared with the client that replaces this one.
    'grpc.use_local_subchannel_pool': 1,
    // Nobody but this process decides about retries: a service config could come from DNS.
    'grpc.service_config_disable_resolution': 1,
    'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
    // Off, also the one repetition of a refused stream: a Generate is sent once.
    'grpc.enable_retries': 0,
    'grpc.enable_http_proxy': 0,
    'grpc.enable_channelz': 0,
    // Servers answer faster pings with a GOAWAY that kills the calls in flight.
    'grpc.keepalive_time_ms': 60_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.keepalive_permit_without_calls': 0,
    // A path that was silent for long is dialled anew rather than trusted.
    'grpc.client_idle_timeout_ms': 60_000,
    'grpc.initial_reconnect_backoff_ms': 200,
    'grpc.max_reconnect_backoff_ms': reconnectBackoffMaxMs,
    // An upstream that moved is asked for at every attempt, not every 30 s.
    'grpc.dns_min_time_between_resolutions_ms': 1_000,
  };
}
