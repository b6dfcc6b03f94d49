import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** How one request ended, in words that only ever take a few values. */
interface RequestEnd {
  readonly method: string;
  /** Pattern of the route, never the path that was asked for. */
  readonly route: string;
  /** Undefined when the caller hung up before the answer was written. */
  readonly status: number | undefined;
  readonly callerClass: string;
  readonly durationMs: number;
}

/** Others are `other`: methods come from callers, and each new one would be a series that stays. */
const methods: ReadonlySet<string> = new Set([
  ...['GET', 'HEAD', 'POST', 'OPTIONS', 'PUT', 'PATCH', 'DELETE'],
]);

/** From an answer out of memory to the longest wait, which is 60 s, and an OpenAI client's, 280 s. */
const bucketsS = [0.002, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 20, 40, 65, 300];

/** Requests over HTTP. */
export function requestMetrics(registry: Registry) {
  const registers = [registry];
  const ended = new Counter({
    name: 'gateway_http_requests_total',
    help: 'Requests that ended, by route pattern, method, status code (hung_up: the caller went away first) and how the caller was told.',
    labelNames: ['route', 'method', 'status', 'caller_class'],
    registers,
  });
  const duration = new Histogram({
    name: 'gateway_http_request_duration_seconds',
    help: 'From the headers of a request to the end of its answer, by route pattern. Requests that wait for an image take as long as they asked to.',
    labelNames: ['route'],
    buckets: bucketsS,
    registers,
  });
  const inFlight = new Gauge({
    name: 'gateway_http_requests_in_flight',
    help: 'Requests under way, those that wait and event streams among them.',
    registers,
  });
  const streams = new Gauge({
    name: 'gateway_event_streams_open',
    help: 'Answers that are event streams and still open.',
    registers,
  });
  const broken = new Counter({
    name: 'gateway_http_broken_requests_total',
    help: 'What arrived and was no whole HTTP request, by what was wrong. Not among the requests.',
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
  };
}
