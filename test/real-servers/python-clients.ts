import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HttpBackend } from '../renderers/http-backend.ts';
import { startGateway } from '../support/gateway.ts';
import { freePort, type Workshop } from './workshop.ts';

const here = fileURLToPath(new URL('.', import.meta.url));

/** The `openai` client for Python against the gateway, and the vendor's Python SDK against the service's own port. */
export async function tryPythonClients(workshop: Workshop): Promise<void> {
  const packages = ['openai', 'yandex-ai-studio-sdk'];
  const bin = await workshop.python('clients', packages);
  for (const name of packages) workshop.note(`${name} ${workshop.version(bin, name)}`);
  const backend = await HttpBackend.listen();
  const port = await freePort();
  const gateway = await startGateway({ BACKEND_URL: backend.url, SERVICE_PORT: String(port) });
  const environment = { ORIGIN: gateway.origin, SERVICE: `127.0.0.1:${port}` };
  for (const [file, posts] of [['openai_client.py', 4] as const, ['vendor_sdk.py', 1] as const]) {
    const before = backend.posts.length;
    const { code, output } = await workshop.run(
      join(bin, 'python'),
      [join(here, file)],
      environment,
    );
    workshop.tell(`driven by ${file}`, code === 0, output.replaceAll('\n', '; '));
    const seen = backend.posts.length - before;
    workshop.tell(`one POST an image by ${file}`, seen === posts, `${seen}`);
  }
  await gateway.close();
  await backend.close();
}
