import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** The end of one request, in fields that take few values. */
interface RequestEnd {
  readonly method: string;
  /** Pattern of the route, never the requested path. */
  readonly route: string;
  /** Undefined when the caller hung up before the response was written. */
  readonly status: number | undefined;
  readonly callerClass: string;
  readonly durationMs: number;
}

/** The methods that are labels; the rest is `other`, because each new method from a caller would be a new series. */
const methods: ReadonlySet<string> = new Set([
  ...['GET', 'HEAD', 'POST', 'OPTIONS', 'PUT', 'PATCH', 'DELETE'],
]);

/** From a response out of memory to the longest wait: 60 s, and 280 s of an OpenAI client. */
const bucketsS = [0.002, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 20, 40, 65, 300];

/** The metrics of requests over HTTP. */
export function requestMetrics(registry: Registry) {
  const registers = [registry];
  const ended = new Counter({
    name: 'gateway_http_requests_total',
    help: 'Requests that ended, by route pattern, method, status code (hung_up: the caller went away first) and kind of credential.',
    labelNames: ['route', 'method', 'status', 'caller_class'],
    registers,
  });
  const duration = new Histogram({
    name: 'gateway_http_request_duration_seconds',
    help: 'Time from the headers of a request to the end of its response, by route pattern. A request that waits for an image takes as long as it asked for.',
    labelNames: ['route'],
    buckets: bucketsS,
    registers,
  });
  const inFlight = new Gauge({
    name: 'gateway_http_requests_in_flight',
    help: 'Requests under way, waits and event streams included.',
    registers,
  });
  const streams = new Gauge({
    name: 'gateway_event_streams_open',
    help: 'Open event streams.',
    registers,
  });
  const broken = new Counter({
    name: 'gateway_http_broken_requests_total',
    help: 'Data that was no complete HTTP request, by reason. Not counted as requests.',
    labelNames: ['reason'],
    registers,
  });
  const lostConnections = new Counter({
    name: 'gateway_http_connections_lost_total',
    help: 'Connections closed to stay within a limit, by reason: limit (too many in all), peer (too many of one address), idle (made room for new ones), accept (the system failed to hand one over). descriptors counts checks that found no file descriptor left: the system then closes new connections unseen.',
    labelNames: ['reason'],
    registers,
  });
  return {
    requestBegun: () => inFlight.inc(),
    requestEnded({ method, route, status, callerClass, durationMs }: RequestEnd) {
      inFlight.dec();
      ended.inc({
        route,
        method: methods.has(method) ? method : 'other',
        status: status === undefined ? 'hung_up' : String(status),
        caller_class: callerClass,
      });
      duration.observe({ route }, durationMs / 1000);
    },
    streamOpened: () => streams.inc(),
    streamClosed: () => streams.dec(),
    requestBroken: (reason: 'too_large' | 'too_slow' | 'cut' | 'malformed') =>
      broken.inc({ reason }),
    connectionLost: (reason: 'limit' | 'peer' | 'idle' | 'descriptors' | 'accept') =>
      lostConnections.inc({ reason }),
  };
}
