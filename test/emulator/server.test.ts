import { create } from '@bufbuild/protobuf';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { startEmulator } from '../../src/emulator/emulator.ts';
import { Health, HealthCheckRequestSchema } from '../../src/gen/grpc/health/v1/health_pb.ts';
import { ApiEndpointService } from '../../src/gen/yandex/cloud/endpoint/api_endpoint_service_pb.ts';
import { OperationService } from '../../src/gen/yandex/cloud/operation/operation_service_pb.ts';
import { methodDefinitionFromDescriptor } from '../../src/grpc/service-definition.ts';
import { makeCertificate } from '../support/certificate.ts';
import {
  connect,
  drawn,
  generate,
  get,
  imageRequest,
  rpcErrorOf,
  start,
} from './emulator-client.ts';

describe('the other services', () => {
  it('are healthy', async () => {
    const { grpc } = await start();
    expect(await grpc.call(Health.method.check, { service: '' })).toMatchObject({ status: 1 });
    expect(
      await grpc.call(Health.method.check, { service: OperationService.typeName }),
    ).toMatchObject({ status: 1 });
    expect((await rpcErrorOf(grpc.call(Health.method.check, { service: 'x' }))).code).toBe(5);
  });

  it('are listed with the address that the client used', async () => {
    const { emulator, grpc } = await start();
    const { endpoints } = await grpc.call(ApiEndpointService.method.list, {});
    expect(endpoints.map(({ id, address }) => [id, address])).toEqual(
      ['ai-foundation-models', 'operation', 'iam', 'endpoint'].map((id) => [
        id,
        `127.0.0.1:${emulator.port}`,
      ]),
    );
    expect(
      (await rpcErrorOf(grpc.call(ApiEndpointService.method.get, { apiEndpointId: 'x' }))).code,
    ).toBe(5);
  });

  it('report to watchers that they are healthy, or that a service is unknown', async () => {
    const { grpc } = await start();
    const definition = methodDefinitionFromDescriptor(Health.method.watch);
    const first = (service: string) => {
      const stream = grpc.client.makeServerStreamRequest(
        definition.path,
        definition.requestSerialize as never,
        definition.responseDeserialize,
        create(HealthCheckRequestSchema, { service }),
      );
      return new Promise<{ status: number }>((resolve) => {
        // A watch ends only when it is cancelled, with an error.
        stream.on('error', () => undefined);
        stream.once('data', (response: { status: number }) => {
          stream.cancel();
          resolve(response);
        });
      });
    };
    expect((await first('')).status).toBe(1);
    expect((await first('x')).status).toBe(3);
  });
});

describe('the server', () => {
  it('serves TLS', async () => {
    const { certPem, keyPem, caPem } = makeCertificate();
    const { emulator } = await start({ tls: { certPem, keyPem } });
    expect(emulator.address).toBe(`https://127.0.0.1:${emulator.port}`);
    const grpc = connect(`https://localhost:${emulator.port}`, caPem.toString());
    expect((await drawn(grpc, imageRequest('a cat'))).length).toBeGreaterThan(50_000);
  });

  it('is reached by loopback when it listens on all addresses', async () => {
    const { emulator, grpc } = await start({ host: '0.0.0.0' });
    expect(emulator.address).toBe(`http://127.0.0.1:${emulator.port}`);
    expect(await grpc.call(Health.method.check, { service: '' })).toMatchObject({ status: 1 });
  });

  it('does not start on a port that is taken', async () => {
    const { emulator } = await start();
    await expect(startEmulator({ port: emulator.port })).rejects.toThrow();
  });

  it('frees its port and ends calls when it is closed, even twice', async () => {
    const { emulator, grpc } = await start({ latencyMs: 60_000 });
    emulator.faults.inject('Get', { kind: 'delay', delayMs: 60_000 });
    const error = rpcErrorOf(grpc.call(get, { operationId: 'x' }));
    await expect.poll(() => emulator.ledger.gets).toBe(1);
    await emulator.close();
    await emulator.close();
    expect((await error).code).toBeGreaterThan(0);
    const again = await start({ port: emulator.port });
    expect(again.emulator.port).toBe(emulator.port);
  });
});

describe('an image', () => {
  afterEach(() => void vi.useRealTimers());

  it.each([-3_600_000, 86_400_000])(
    'takes as long as it takes when the clock steps by %i ms',
    async (stepMs) => {
      vi.useFakeTimers({ toFake: ['Date'] });
      const { grpc } = await start({ latencyMs: 2_000, latencySpreadRatio: 0 });
      const { id } = await grpc.call(generate, imageRequest('a red cat'));
      const isDone = async () => (await grpc.call(get, { operationId: id })).done;
      vi.setSystemTime(Date.now() + stepMs);
      expect(await isDone()).toBe(false);
      await expect.poll(isDone, { timeout: 10_000 }).toBe(true);
    },
  );
});
