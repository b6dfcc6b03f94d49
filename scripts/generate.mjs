// Writes every file that is made from another one: the TypeScript of proto/, the
// OpenAPI documents and the generated pages of docs/. With --check it writes
// nothing and lists what is stale.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { operationsPage } from './operations-page.mjs';
import { reliabilityPage } from './reliability-page.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const generatedFolder = 'src/gen';
const isCheck = process.argv.includes('--check');

function run(command, args) {
  const bin = join(root, 'node_modules/.bin');
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    // buf looks for its plugin on the path.
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (error !== undefined || status !== 0) {
    process.stderr.write(`${[command, ...args].join(' ')} failed\n`);
    process.exit(1);
  }
}

/** Every file below a folder, by its path in it. */
function filesIn(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = new Map();
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(folder.length + 1).replaceAll('\\', '/'), readFileSync(path, 'utf8'));
  }
  return files;
}

/** Texts by path, as buf generates them from proto/. */
function protoTexts() {
  const scratch = mkdtempSync(join(tmpdir(), 'generate-'));
  try {
    run('buf', ['generate', '-o', scratch]);
    const texts = new Map();
    for (const [path, text] of filesIn(join(scratch, generatedFolder))) {
      texts.set(`${generatedFolder}/${path}`, text);
    }
    return texts;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function builtModule(path) {
  return import(new URL(`../dist/${path}`, import.meta.url).href);
}

/** Texts by path, as the built code generates them. */
async function documentTexts() {
  const { openApiDocument, openApi30Document } = await builtModule('schemas/document.js');
  const { configurationPage } = await builtModule('config/configuration-page.js');
  const { problemPage } = await builtModule('schemas/errors-page.js');
  const { openMetrics } = await builtModule('observability/metrics.js');
  const metrics = openMetrics({ version: '0', elapsedMs: () => 0 });
  metrics.stop();
  const { openServiceMetrics } = await builtModule('observability/service-metrics.js');
  const service = openServiceMetrics({ backend: 'local', isPaid: false, startedAtS: 0 });
  const json = (value) => `${JSON.stringify(value, undefined, 2)}\n`;
  return new Map([
    ['openapi/openapi.json', json(openApiDocument())],
    ['openapi/openapi-3.0.json', json(openApi30Document())],
    ['docs/configuration.md', configurationPage()],
    ['docs/errors.md', problemPage()],
    [
      'docs/operations.md',
      operationsPage(root, { ofGateway: metrics.describe(), ofService: service.describe() }),
    ],
    ['docs/reliability.md', reliabilityPage(root)],
  ]);
}

function textAt(path) {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch {
    return undefined;
  }
}

function write(texts) {
  for (const [path, text] of texts) {
    if (textAt(path) === text) continue;
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    process.stdout.write(`wrote ${path}\n`);
  }
}

/** Paths below src/gen that proto/ no longer generates. */
function leftOver(texts) {
  return [...filesIn(join(root, generatedFolder)).keys()]
    .map((path) => `${generatedFolder}/${path}`)
    .filter((path) => !texts.has(path));
}

const protos = protoTexts();
if (!isCheck) {
  // Before the build, which compiles these files.
  for (const path of leftOver(protos)) rmSync(join(root, path));
  write(protos);
}
run(process.execPath, ['scripts/build.mjs', '--if-stale']);
const documents = await documentTexts();
if (isCheck) {
  const stale = [...protos, ...documents].filter(([path, text]) => textAt(path) !== text);
  const paths = [...stale.map(([path]) => path), ...leftOver(protos)];
  for (const path of paths) process.stdout.write(`stale: ${path}\n`);
  if (paths.length > 0) {
    process.stdout.write('Run "npm run generate" and commit what it writes.\n');
    process.exitCode = 1;
  }
} else {
  write(documents);
}
