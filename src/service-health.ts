import { Client, credentials } from '@grpc/grpc-js';
import { create } from '@bufbuild/protobuf';
import { serviceSettingsFromEnvironment } from './config/service-settings.ts';
import {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from './gen/grpc/health/v1/health_pb.ts';
import { methodDefinitionFromDescriptor } from './grpc/service-definition.ts';
import { writeToStandardError } from './observability/log.ts';
import { reachableHost } from './text/host.ts';

const deadlineMs = 2_500;

/**
 * The check of the service on this machine, for the health check of its
 * container: ends with code 0 while it takes new operations.
 */
async function main(): Promise<void> {
  const { SERVICE_HOST, SERVICE_PORT, SERVICE_TLS_CERT_FILE } = serviceSettingsFromEnvironment(
    process.env,
  );
  const { path, requestSerialize, responseDeserialize } = methodDefinitionFromDescriptor(
    Health.method.check,
  );
  const client = new Client(
    `${reachableHost(SERVICE_HOST)}:${SERVICE_PORT}`,
    // The certificate is for the names that others use.
    SERVICE_TLS_CERT_FILE === undefined
      ? credentials.createInsecure()
      : credentials.createSsl(null, null, null, { rejectUnauthorized: false }),
  );
  const status = await new Promise<ServingStatus>((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      create(HealthCheckRequestSchema),
      { deadline: Date.now() + deadlineMs },
      (error, response) => {
        if (error !== null) reject(error);
        else resolve(response?.status ?? ServingStatus.UNKNOWN);
      },
    );
  }).finally(() => client.close());
  if (status !== ServingStatus.SERVING) throw new Error('the service takes nothing new');
}

try {
  await main();
} catch (error) {
  writeToStandardError(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
