import { create } from '@bufbuild/protobuf';
import { randomInt, randomUUID } from 'node:crypto';
import { Server, ServerCredentials } from '@grpc/grpc-js';
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
import { CredentialDesk, type AcceptedCredentials } from './credentials.ts';
import { openDraftsman, type Draftsman } from './drawing/draw.ts';
import { FaultBook, operationWithFault } from './faults.ts';
import { Ledger, type SpendLedger } from './ledger.ts';
import { OperationBook } from './operation-book.ts';
import { orderFromRequest } from './order.ts';
import { QuotaCounter } from './quota.ts';
import { addStandardServices, addVendorServices } from './other-services.ts';
import { unary, type Call } from './unary.ts';

/** All are optional; what is left out behaves as the vendor publishes it. */
export interface EmulatorOptions {
  readonly host?: string;
  /** 0 takes any free one. */
  readonly port?: number;
  /** From Generate to done. */
  readonly latencyMs?: number;
  /** How far single operations differ from that, 0 … 1. */
  readonly latencySpreadRatio?: number;
  readonly retentionMs?: number;
  readonly picturesMax?: number;
  readonly promptCharactersMax?: number;
  readonly generationsPerMinuteMax?: number;
  readonly generationsPerDayMax?: number;
  readonly resultReadsPerSecondMax?: number;
  /** Whether operations tell created_at and modified_at. */
  readonly operationTimes?: boolean;
  /** Absent: everybody is let in. */
  readonly credentials?: AcceptedCredentials;
  readonly models?: readonly string[];
  readonly folders?: readonly string[];
  readonly tls?: { readonly certificatePem: string; readonly privateKeyPem: string };
  readonly nowMs?: () => number;
}

/** A running upstream. */
export interface Emulator {
  /** As UPSTREAM_ADDRESS takes it. */
  readonly address: string;
  readonly port: number;
  readonly ledger: SpendLedger;
  /** Misbehaviour on order. */
  readonly faults: FaultBook;
  /** Ends every call and frees the port. */
  close(): Promise<void>;
}

const dayMs = 86_400_000;
const seedsDrawn = 2 ** 47;

/**
 * Starts a gRPC server that behaves as the vendor does, and draws.
 *
 * @throws Error when the port is taken.
 */
export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const { host = '127.0.0.1', port = 0, nowMs = Date.now } = options;
  const ledger = new Ledger();
  const faults = new FaultBook();
  let draftsman: Promise<Draftsman> | undefined;
  const openOnce = () => (draftsman ??= openDraftsman());
  const book = new OperationBook({
    retentionMs: options.retentionMs ?? 3 * dayMs,
    picturesMax: options.picturesMax ?? 64,
    operationTimes: options.operationTimes ?? false,
    draftsman: openOnce,
  });
  const desk = new CredentialDesk(options.credentials);
  const server = new Server();
  const address = () => `${host}:${boundPort}`;
  addImageService(server, { options, ledger, faults, book, desk, nowMs });
  addOperationService(server, { options, ledger, faults, book, desk, nowMs });
  addVendorServices(server, desk, address, nowMs);
  addStandardServices(server);
  const boundPort = await bind(server, `${host}:${port}`, options.tls);
  // In the background: the first drawing should not have to wait for it.
  openOnce().catch(() => undefined);
  return {
    address: `${options.tls === undefined ? 'http' : 'https'}://${address()}`,
    port: boundPort,
    ledger,
    faults,
    async close() {
      server.forceShutdown();
      await openOnce().then(
        (opened) => opened.close(),
        () => undefined,
      );
    },
  };
}

interface Parts {
  readonly options: EmulatorOptions;
  readonly ledger: Ledger;
  readonly faults: FaultBook;
  readonly book: OperationBook;
  readonly desk: CredentialDesk;
  readonly nowMs: () => number;
}

function addImageService(
  server: Server,
  { options, ledger, faults, book, desk, nowMs }: Parts,
): void {
  const { latencyMs = 3_000, latencySpreadRatio = 0.2 } = options;
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
    generate: unary(async (call: Call<ImageGenerationRequest>) => {
      desk.check(call.metadata, nowMs());
      await faults.next('Generate');
      const order = orderFromRequest(call.request, rules, () => BigInt(randomInt(1, seedsDrawn)));
      perMinute.take(nowMs());
      perDay.take(nowMs());
      const id = operationId();
      const spread = 1 + latencySpreadRatio * (2 * Math.random() - 1);
      book.accept(id, order, { nowMs: nowMs(), latencyMs: latencyMs * spread });
      ledger.accepted(String(call.metadata.get('x-client-request-id')[0] ?? randomUUID()), id);
      // The first answer of a real call carried nothing else.
      return create(OperationSchema, { id });
    }),
  });
}

function addOperationService(
  server: Server,
  { options, ledger, faults, book, desk, nowMs }: Parts,
): void {
  const perSecond = new QuotaCounter({
    name: 'ai.operations.results',
    max: options.resultReadsPerSecondMax ?? 50,
    windowMs: 1_000,
  });
  server.addService(serviceDefinitionFromDescriptor(OperationService), {
    get: unary(async (call: Call<GetOperationRequest>) => {
      ledger.gets += 1;
      desk.check(call.metadata, nowMs());
      const fault = await faults.next('Get');
      perSecond.take(nowMs());
      return operationWithFault(await book.get(call.request.operationId, nowMs()), fault);
    }),
    cancel: unary(async (call: Call<CancelOperationRequest>) => {
      ledger.cancels += 1;
      desk.check(call.metadata, nowMs());
      await faults.next('Cancel');
      return book.cancel(call.request.operationId, nowMs());
    }),
  });
}

function bind(server: Server, address: string, tls: EmulatorOptions['tls']): Promise<number> {
  const credentials =
    tls === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(null, [
          {
            cert_chain: Buffer.from(tls.certificatePem),
            private_key: Buffer.from(tls.privateKeyPem),
          },
        ]);
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}

const idCharacters = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** Twenty letters and digits that begin as the vendor's do. */
function operationId(): string {
  const drawn = Array.from({ length: 17 }, () => idCharacters[randomInt(idCharacters.length)]);
  return `fbv${drawn.join('')}`;
}
