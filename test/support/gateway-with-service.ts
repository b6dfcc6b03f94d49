import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Service } from '../../src/service/service.ts';
import { startGateway, type Gateway } from './gateway.ts';
import { startService, type StartServiceOptions } from './service.ts';

/** A gateway in front of the product's own service, each on a port of its own. */
export interface GatewayWithService {
  readonly gateway: Gateway;
  readonly service: Service;
  /** Closes both and forgets what the service kept. */
  close(): Promise<void>;
}

/** Starts both; the gateway knows that its upstream is the service. */
export async function startGatewayWithService(
  options: Partial<StartServiceOptions> = {},
  environment: Record<string, string> = {},
): Promise<GatewayWithService> {
  const directory = await mkdtemp(join(tmpdir(), 'gateway-service-'));
  const service = await startService({ directory: join(directory, 'service'), ...options });
  const gateway = await startGateway({
    UPSTREAM_ADDRESS: `http://127.0.0.1:${service.port}`,
    UPSTREAM_IS_SERVICE: 'true',
    ...environment,
  });
  return {
    gateway,
    service,
    async close() {
      await gateway.close();
      await service.close(0);
      await rm(directory, { recursive: true, force: true });
    },
  };
}
