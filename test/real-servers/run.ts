/**
 * The gateway over servers, and under clients, that nobody here wrote. What is
 * needed is installed from the package registries into a folder, which the next
 * run uses again. What can't be had is named, and the run fails.
 *
 *     npm run test:real-servers -- [--only sd|litellm|clients] [--folder FOLDER]
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { tryLitellm } from './litellm.ts';
import { tryPythonClients } from './python-clients.ts';
import { trySdServer } from './sd-server.ts';
import { Missing, Workshop } from './workshop.ts';

const parts = { sd: trySdServer, litellm: tryLitellm, clients: tryPythonClients };

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    folder: { type: 'string', default: join(tmpdir(), 'image-gateway-real-servers') },
  },
});
const chosen = Object.entries(parts).filter(
  ([name]) => values.only === undefined || values.only === name,
);
if (chosen.length === 0) throw new Error(`--only must be one of ${Object.keys(parts).join(', ')}`);

const workshop = new Workshop(values.folder);
for (const [name, part] of chosen) {
  process.stdout.write(`\n${name}\n`);
  try {
    await part(workshop);
  } catch (error) {
    const words = error instanceof Missing ? `not tried: ${error.message}` : String(error);
    workshop.tell(`${name} was tried to its end`, false, words);
  }
}
await workshop.close();
process.stdout.write(`\n${workshop.okCount} passed, ${workshop.failedCount} failed\n`);
process.exitCode = workshop.failedCount === 0 ? 0 : 1;
