import { create } from '@bufbuild/protobuf';
import { Server } from '@grpc/grpc-js';
import {
  ImageGenerationAsyncService,
  type ImageGenerationRequest,
} from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { OperationSchema } from '../gen/yandex/cloud/operation/operation_pb.ts';
import {
  OperationService,
  type CancelOperationRequest,
  type GetOperationRequest,
} from '../gen/yandex/cloud/operation/operation_service_pb.ts';
import { serviceDefinitionFromDescriptor } from '../grpc/service-definition.ts';
import { listen, type ServerTls } from '../rpc/listen.ts';
import { newOperationId } from '../rpc/operation-id.ts';
import { addStandardServices } from '../rpc/standard-services.ts';
import { hostInUrl, reachableHost } from '../text/host.ts';
import { CredentialVerifier, type AcceptedCredentials } from './credential-verifier.ts';
import { openDrawing } from '../renderers/local/drawing.ts';
import { FaultInjector } from './fault-injector.ts';
import { Ledger, type SpendLedger } from './ledger.ts';
import { OperationTable } from './operation-table.ts';
import { renderRequestFromGenerate } from './render-request.ts';
import { QuotaCounter } from './quota.ts';
import { addVendorServices, vendorServices } from './vendor-services.ts';
import { unary, vendorIds, type Call } from './unary-method.ts';

/** Options of an emulator; without them it behaves as the vendor publishes. */
export interface EmulatorOptions {
  readonly host?: string;
  /** 0 for any free port. */
  readonly port?: number;
  /** From Generate to done. */
  readonly latencyMs?: number;
  /** How far single operations differ from the latency, 0 … 1. */
  readonly latencySpreadRatio?: number;
  readonly retentionMs?: number;
  /** Memory for finished images; others are drawn again when they are read. */
  readonly imageBytesMax?: number;
  readonly promptCharactersMax?: number;
  readonly generationsPerMinuteMax?: number;
  readonly generationsPerDayMax?: number;
  readonly resultReadsPerSecondMax?: number;
  /** Whether operations have created_at and modified_at. */
  readonly operationTimes?: boolean;
  /** Absent: every call is accepted. */
  readonly credentials?: AcceptedCredentials;
  readonly models?: readonly string[];
  readonly folders?: readonly string[];
  /** Called for every Generate that is billed, before its response. */
  readonly onBilled?: (request: ImageGenerationRequest, operationId: string) => void;
  readonly tls?: ServerTls;
  readonly nowMs?: () => number;
  /** A number in [0, 1), for the spread of the latency and for seeds that the request left open. */
  readonly random?: () => number;
}

/** A running upstream. */
export interface Emulator {
  /** In the form of UPSTREAM_ADDRESS. */
  readonly address: string;
  readonly port: number;
  readonly ledger: SpendLedger;
  /** Makes calls fail, for tests. */
  readonly faults: FaultInjector;
  /** Ends every call and frees the port. */
  close(): Promise<void>;
}

const dayMs = 86_400_000;
const seedsDrawn = 2 ** 47;

/**
 * Starts a gRPC server that behaves like the vendor and draws its images locally.
 *
 * @throws Error when the port is taken.
 */
export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const { host = '127.0.0.1', port = 0, nowMs = Date.now } = options;
  const steadyMs = options.nowMs ?? steadyClock();
  const ledger = new Ledger();
  const faults = new FaultInjector();
  const renderer = openDrawing();
  const operations = new OperationTable({
    retentionMs: options.retentionMs ?? 3 * dayMs,
    imageBytesMax: options.imageBytesMax ?? 32 * 1_048_576,
    operationTimes: options.operationTimes ?? false,
    renderer,
  });
  const verifier = new CredentialVerifier(options.credentials, ledger);
  const server = new Server();
  addImageService(server, { options, ledger, faults, operations, verifier, nowMs, steadyMs });
  addOperationService(server, { options, ledger, faults, operations, verifier, nowMs, steadyMs });
  addVendorServices(server, verifier, nowMs);
  addStandardServices(server, vendorServices, {
    responseIds: vendorIds,
    isServing: () => true,
  });
  const boundPort = await listen(server, `${hostInUrl(host)}:${port}`, options.tls);
  const scheme = options.tls === undefined ? 'http' : 'https';
  return {
    address: `${scheme}://${reachableHost(host)}:${boundPort}`,
    port: boundPort,
    ledger,
    faults,
    async close() {
      server.forceShutdown();
      await renderer.close();
    },
  };
}

interface Parts {
  readonly options: EmulatorOptions;
  readonly ledger: Ledger;
  readonly faults: FaultInjector;
  readonly operations: OperationTable;
  readonly verifier: CredentialVerifier;
  /** For what callers compare with their own clocks: the ends of credentials. */
  readonly nowMs: () => number;
  /** For how long images and quotas take. */
  readonly steadyMs: () => number;
}

/** Milliseconds since 1970 by the clock as it is set now: later steps of it change nothing. */
function steadyClock(): () => number {
  const startMs = Date.now() - performance.now();
  return () => Math.floor(startMs + performance.now());
}

function addImageService(
  server: Server,
  { options, ledger, faults, operations, verifier, nowMs, steadyMs }: Parts,
): void {
  const { latencyMs = 3_000, latencySpreadRatio = 0.2, random = Math.random } = options;
  const drawSeed = () => 1n + BigInt(Math.floor(random() * seedsDrawn));
  const perMinute = new QuotaCounter({
    name: 'ai.imageGenerationAsync.rate',
    max: options.generationsPerMinuteMax ?? 500,
    windowMs: 60_000,
  });
  const perDay = new QuotaCounter({
    name: 'ai.imageGenerationAsync.daily',
    max: options.generationsPerDayMax ?? 5_000,
    windowMs: dayMs,
  });
  const rules = {
    promptCharactersMax: options.promptCharactersMax ?? 500,
    models: options.models ?? ['yandex-art'],
    folders: options.folders,
  };
  server.addService(serviceDefinitionFromDescriptor(ImageGenerationAsyncService), {
    generate: unary((call: Call<ImageGenerationRequest>) =>
      faults.apply('Generate', async () => {
        verifier.check(call.metadata, nowMs());
        const renderRequest = renderRequestFromGenerate(call.request, rules, drawSeed);
        perMinute.take(steadyMs());
        perDay.take(steadyMs());
        const id = newOperationId();
        const spread = 1 + latencySpreadRatio * (2 * random() - 1);
        operations.accept(id, renderRequest, { nowMs: steadyMs(), latencyMs: latencyMs * spread });
        options.onBilled?.(call.request, id);
        ledger.accepted(id, call.metadata.get('x-client-request-id')[0]?.toString());
        // The first response of a real call held nothing else.
        return create(OperationSchema, { id });
      }),
    ),
  });
}

function addOperationService(
  server: Server,
  { options, ledger, faults, operations, verifier, nowMs, steadyMs }: Parts,
): void {
  const perSecond = new QuotaCounter({
    name: 'ai.operations.results',
    max: options.resultReadsPerSecondMax ?? 50,
    windowMs: 1_000,
  });
  server.addService(serviceDefinitionFromDescriptor(OperationService), {
    get: unary((call: Call<GetOperationRequest>) => {
      ledger.gets += 1;
      return faults.apply('Get', async () => {
        verifier.check(call.metadata, nowMs());
        try {
          perSecond.take(steadyMs());
        } catch (error) {
          ledger.getsOverQuota += 1;
          throw error;
        }
        return operations.get(call.request.operationId, steadyMs());
      });
    }),
    cancel: unary((call: Call<CancelOperationRequest>) => {
      ledger.cancels += 1;
      return faults.apply('Cancel', async () => {
        verifier.check(call.metadata, nowMs());
        return operations.cancel(call.request.operationId, steadyMs());
      });
    }),
  });
}
