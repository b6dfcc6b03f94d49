import { create, type DescService } from '@bufbuild/protobuf';
import { status, type Server } from '@grpc/grpc-js';
import {
  Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
  HealthCheckResponseSchema,
  type HealthCheckRequest,
} from '../gen/grpc/health/v1/health_pb.ts';
import { ServerReflection } from '../gen/grpc/reflection/v1/reflection_pb.ts';
import { serviceDefinitionFromDescriptor } from '../grpc/service-definition.ts';
import { reflectionHandler } from './reflection.ts';
import { RpcError } from './rpc-error.ts';
import { unaryHandler, type Call, type UnaryHandlerOptions } from './unary-method.ts';

interface HealthStream {
  readonly request: HealthCheckRequest;
  write(message: unknown): void;
  on(event: 'cancelled' | 'close', listener: () => void): void;
}

const watchEveryMs = 1_000;

/**
 * Adds health (grpc.health.v1) and reflection, which tools expect of any gRPC server.
 *
 * @param services Those of the server, without these two.
 * @param isServing Asked at each check, and each second for those who watch.
 */
export function addStandardServices(
  server: Server,
  services: readonly DescService[],
  options: UnaryHandlerOptions & {
    readonly isServing: () => boolean;
    /** Parts of the server with a health of their own, by name. */
    readonly parts?: Readonly<Record<string, () => boolean>>;
  },
): void {
  const all = [...services, Health, ServerReflection];
  const partsByName = new Map(Object.entries(options.parts ?? {}));
  const statusOf = (name: string): ServingStatus => {
    const isKnown = name === '' || all.some(({ typeName }) => typeName === name);
    const isServing = isKnown ? options.isServing : partsByName.get(name);
    if (isServing === undefined) return ServingStatus.SERVICE_UNKNOWN;
    return isServing() ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  };
  server.addService(serviceDefinitionFromDescriptor(Health), {
    check: unaryHandler(async ({ request }: Call<HealthCheckRequest>) => {
      const serving = statusOf(request.service);
      if (serving === ServingStatus.SERVICE_UNKNOWN) {
        throw new RpcError(status.NOT_FOUND, 'no such service');
      }
      return create(HealthCheckResponseSchema, { status: serving });
    }, options),
    watch: (stream: HealthStream) => {
      let last: ServingStatus | undefined;
      const look = () => {
        const serving = statusOf(stream.request.service);
        if (serving === last) return;
        last = serving;
        stream.write(create(HealthCheckResponseSchema, { status: serving }));
      };
      look();
      const timer = setInterval(look, watchEveryMs).unref();
      for (const end of ['cancelled', 'close'] as const) stream.on(end, () => clearInterval(timer));
    },
  });
  server.addService(serviceDefinitionFromDescriptor(ServerReflection), {
    serverReflectionInfo: reflectionHandler(all),
  });
}
