// Runs the one-liners of the README in a shell, as printed except for the port, against its own gateway. Needs curl ≥ 7.82.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const version = /^curl (\d+)\.(\d+)/.exec(
  spawnSync('curl', ['--version'], { encoding: 'utf8' }).stdout ?? '',
);
if (version === null || Number(version[1]) * 1000 + Number(version[2]) < 7082) {
  process.stderr.write(
    'curl 7.82 or newer is needed: install it, for example with "apt-get install curl".\n',
  );
  process.exit(1);
}

if (spawnSync('jq', ['--version']).status !== 0) {
  process.stderr.write('jq is needed: install it, for example with "apt-get install jq".\n');
  process.exit(1);
}

const root = process.cwd();
const directory = mkdtempSync(join(tmpdir(), 'gateway-one-liners-'));
const gateway = spawn(process.execPath, [join(process.cwd(), 'dist/main.js')], {
  cwd: directory,
  env: { PATH: process.env.PATH, PORT: '0', DRAWING_DELAY_MS: '500' },
  stdio: ['ignore', 'pipe', 'ignore'],
});
let failed = 0;

function shell(line, environment = {}, cwd = directory) {
  const { status, stdout } = spawnSync('bash', ['-c', line], {
    cwd,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, ...environment },
    timeout: 70_000,
  });
  return { status, stdout };
}

function check(line, ok) {
  process.stdout.write(`${ok ? 'ok    ' : 'FAILED'} ${line}\n`);
  if (!ok) failed += 1;
}

const isJpeg = (name) =>
  readFileSync(join(directory, name)).subarray(0, 3).toString('hex') === 'ffd8ff';

try {
  const [first] = await once(gateway.stdout, 'data');
  const { address } = JSON.parse(first.toString().split('\n', 1)[0]);
  const here = (line) => line.replaceAll('localhost:8080', new URL(address).host);

  const image = `curl -f -H 'Accept: image/*' --json '{"prompt":"a red cat"}' localhost:8080/v1/images -o cat.jpg`;
  check(image, shell(here(image)).status === 0 && isJpeg('cat.jpg'));

  const create = `curl --json '{"prompt":"a red cat"}' localhost:8080/v1/images`;
  const { id: ID, status } = JSON.parse(shell(here(create)).stdout);
  check(create, ID.startsWith('op_') && status === 'running');

  const wait = `curl -f "localhost:8080/operations/$ID/image?wait=60" -o waited.jpg`;
  check(wait, shell(here(wait), { ID }).status === 0 && isJpeg('waited.jpg'));

  writeFileSync(
    join(directory, 'prompt.json'),
    '{"modelUri":"art://local/yandex-art/latest","messages":[{"weight":"1","text":"a red cat"}]}',
  );
  const vendor = 'curl -d @prompt.json localhost:8080/foundationModels/v1/imageGenerationAsync';
  const made = JSON.parse(shell(here(vendor)).stdout);
  check(vendor, made.id.startsWith('op_') && made.done === false);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const decode =
    'curl localhost:8080/operations/$ID | jq -r .response.image | base64 -d > vendor.jpg';
  check(decode, shell(here(decode), { ID: made.id }).status === 0 && isJpeg('vendor.jpg'));

  const openai = `new OpenAI({baseURL: 'http://localhost:8080/v1', apiKey}).images.generate({model: 'yandex-art', prompt: 'a red cat', size: '1024x1024'})`;
  const program = `import OpenAI from 'openai'; const apiKey = 'any'; const { data } = await ${openai}; process.stdout.write(data[0].b64_json.slice(0, 4))`;
  const typed = `node --input-type=module -e "${here(program)}"`;
  check(openai, shell(typed, {}, root).stdout === '/9j/');

  const early = `curl -sf -H 'Accept: image/*' -H 'Prefer: wait=0' --json '{"prompt":"a red cat"}' localhost:8080/v1/images`;
  check(`${early}  (fails rather than saving JSON)`, shell(here(early)).status === 22);

  const wrong = `curl -s --json '{"promt":"a red cat"}' localhost:8080/v1/images`;
  check(
    `${wrong}  (names the mistake)`,
    JSON.parse(shell(here(wrong)).stdout).errors[0].pointer === '#/promt',
  );
} finally {
  gateway.kill('SIGINT');
  await once(gateway, 'exit');
  rmSync(directory, { recursive: true, force: true });
}
process.exit(failed === 0 ? 0 : 1);
