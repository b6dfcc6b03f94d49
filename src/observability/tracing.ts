import {
  createTraceState,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Span,
} from '@opentelemetry/api';
import { grpcCodeNumber } from '../errors/grpc-code.ts';
import { textFromTraceParent, traceParentFromText } from '../text/traceparent.ts';

/** The span of one request. */
export interface RequestSpan {
  /** To be sent with calls that are made for the request. */
  readonly traceparent: string;
  end(end: {
    /** Undefined when the caller hung up first. */
    readonly status: number | undefined;
    /** Problem code, or `hung_up`. */
    readonly error: string | undefined;
    readonly operationId: string | undefined;
  }): void;
}

/** The span of one call to the upstream. */
export interface CallSpan {
  readonly traceparent: string;
  /** @param code Name of a gRPC code. */
  end(code: string): void;
}

export interface Tracing {
  startRequest(request: {
    readonly method: string;
    /** Pattern of the route; undefined for a path that matches none. */
    readonly route: string | undefined;
    readonly scheme: string;
    readonly requestId: string;
    readonly traceparent: string | undefined;
    readonly tracestate: string | undefined;
  }): RequestSpan;
  /** @param call.path `/package.Service/Method`. */
  startCall(call: { readonly path: string; readonly traceparent: string | undefined }): CallSpan;
}

const knownMethods: ReadonlySet<string> = new Set([
  ...['GET', 'HEAD', 'POST', 'OPTIONS', 'PUT', 'PATCH', 'DELETE'],
]);

/**
 * The spans of requests and calls, made with the OpenTelemetry SDK that the
 * operator loaded before the gateway started. Undefined without an SDK: then
 * tracing costs nothing.
 *
 * A parent is passed as `traceparent` and not through the active context: a poll
 * belongs to the request that created the operation, but never runs in its
 * context. Attributes follow the semantic conventions, without path and query,
 * which are text of the caller.
 */
export function openTracing(options: { readonly version: string }): Tracing | undefined {
  if (!isSdkLoaded()) return undefined;
  const tracer = trace.getTracer('image-generation-gateway', options.version);
  return {
    startRequest({ method, route, scheme, requestId, traceparent, tracestate }) {
      const isKnown = knownMethods.has(method);
      const attributes: Attributes = {
        'http.request.method': isKnown ? method : '_OTHER',
        'url.scheme': scheme,
        'gateway.request_id': requestId,
        ...(route !== undefined && { 'http.route': route }),
      };
      const name = isKnown ? method : 'HTTP';
      const span = tracer.startSpan(
        route === undefined ? name : `${name} ${route}`,
        { kind: SpanKind.SERVER, attributes },
        contextOf(traceparent, { isRemote: true, tracestate }),
      );
      return requestSpan(span);
    },
    startCall({ path, traceparent }) {
      const [, service = '', method = ''] = path.split('/');
      const attributes = { 'rpc.system': 'grpc', 'rpc.service': service, 'rpc.method': method };
      const parent = contextOf(traceparent, { isRemote: false });
      return callSpan(
        tracer.startSpan(`${service}/${method}`, { kind: SpanKind.CLIENT, attributes }, parent),
      );
    },
  };
}

/** Whether an SDK is loaded. Without one, the API has a proxy provider that delegates to none. */
function isSdkLoaded(): boolean {
  const provider = trace.getTracerProvider();
  const isProxy = provider instanceof ProxyTracerProvider;
  return !isProxy || provider.getDelegateTracer('image-generation-gateway') !== undefined;
}

function contextOf(
  traceparent: string | undefined,
  {
    isRemote,
    tracestate,
  }: { readonly isRemote: boolean; readonly tracestate?: string | undefined },
): Context {
  const parent = traceparent === undefined ? undefined : traceParentFromText(traceparent);
  if (parent === undefined) return ROOT_CONTEXT;
  return trace.setSpanContext(ROOT_CONTEXT, {
    ...parent,
    isRemote,
    ...(tracestate !== undefined && { traceState: createTraceState(tracestate) }),
  });
}

function requestSpan(span: Span): RequestSpan {
  return {
    traceparent: textFromTraceParent(span.spanContext()),
    end({ status, error, operationId }) {
      if (status !== undefined) span.setAttribute('http.response.status_code', status);
      if (error !== undefined) span.setAttribute('error.type', error);
      if (operationId !== undefined) span.setAttribute('gateway.operation_id', operationId);
      if (status !== undefined && status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    },
  };
}

function callSpan(span: Span): CallSpan {
  return {
    traceparent: textFromTraceParent(span.spanContext()),
    end(code) {
      const number = grpcCodeNumber(code);
      if (number !== undefined) span.setAttribute('rpc.grpc.status_code', number);
      if (number !== 0) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    },
  };
}
