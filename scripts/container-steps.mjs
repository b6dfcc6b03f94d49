// The steps of the Dockerfile without a Docker engine: the same commands in the same
// order, in folders that stand for the stages, then the CMD and HEALTHCHECK of the image.
// It reads the Dockerfile itself; an instruction that it does not know fails.
import { spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parse } from 'yaml';

const root = mkdtempSync(join(tmpdir(), 'gateway-container-'));
process.on('exit', () => rmSync(root, { recursive: true, force: true }));

/** The instructions, with continuation lines joined and without comments. */
function instructionsOf(text) {
  return text
    .replace(/^\s*#.*$/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      const [name, ...rest] = line.split(/\s+/);
      return { name, args: rest, text: line.slice(name.length).trim() };
    });
}

/** A path inside a stage, as a path on this machine. */
const inside = (stage, path) =>
  join(stage.root, path.startsWith('/') ? path : join(stage.workdir, path));

function run(stage, command) {
  process.stdout.write(`   ${command}\n`);
  // The two steps that need root in an image have no meaning in a folder.
  const local = command
    .replaceAll('/data', join(stage.root, 'data'))
    .replaceAll('/secrets', join(stage.root, 'secrets'))
    .replace(/ && chown .*$/, '');
  const { status } = spawnSync('bash', ['-c', local], {
    cwd: inside(stage, '.'),
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...stage.env },
  });
  if (status !== 0) throw new Error(`failed: ${command}`);
}

/** The names in the build context: everything is ignored except what .dockerignore includes again. */
function contextNames() {
  const lines = readFileSync('.dockerignore', 'utf8').split('\n').filter(Boolean);
  if (lines[0] !== '*') throw new Error('.dockerignore must ignore everything first');
  return lines.slice(1).map((line) => line.replace(/^!/, ''));
}

function copy(stages, stage, args) {
  const from = args.find((arg) => arg.startsWith('--from='))?.slice('--from='.length);
  const paths = args.filter((arg) => !arg.startsWith('--'));
  const target = paths.pop();
  for (const path of paths) {
    const isKnown = from !== undefined || contextNames().includes(path);
    if (!isKnown) throw new Error(`COPY ${path}: .dockerignore excludes it`);
    const source = from === undefined ? path : inside(stages.get(from), path);
    if (!existsSync(source)) throw new Error(`COPY ${path}: there is no such file`);
    const isFolder = target.endsWith('/');
    const destination = inside(stage, isFolder ? join(target, basename(path)) : target);
    cpSync(source, destination, { recursive: true });
  }
}

function build(instructions) {
  const stages = new Map();
  let stage;
  for (const { name, args, text } of instructions) {
    switch (name) {
      case 'FROM': {
        const stageName = args[1]?.toUpperCase() === 'AS' ? args[2] : 'final';
        stage = { root: join(root, stageName), workdir: '/', env: {} };
        stages.set(stageName, stage);
        mkdirSync(stage.root, { recursive: true });
        process.stdout.write(`── ${stageName}, for ${args[0]}\n`);
        if (!/^node:(2[4-9]|[3-9]\d)-.*slim$/.test(args[0]))
          throw new Error(`${args[0]} is not the LTS image`);
        break;
      }
      case 'WORKDIR':
        stage.workdir = args[0];
        mkdirSync(inside(stage, '.'), { recursive: true });
        break;
      case 'RUN':
        run(stage, text);
        break;
      case 'COPY':
        copy(stages, stage, args);
        break;
      case 'ENV':
        for (const pair of args) stage.env[pair.split('=')[0]] = pair.slice(pair.indexOf('=') + 1);
        break;
      case 'USER':
        stage.user = args[0];
        break;
      case 'CMD':
        stage.command = JSON.parse(text);
        break;
      case 'HEALTHCHECK':
        stage.health = JSON.parse(text.slice(text.indexOf('CMD') + 3));
        break;
      case 'VOLUME':
      case 'EXPOSE':
        break;
      default:
        throw new Error(`the instruction ${name} is not known to this script`);
    }
  }
  return stages.get('final');
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
    server.on('error', reject);
  });
}

async function until(what, attempt) {
  for (let tries = 0; tries < 100; tries += 1) {
    const result = await attempt().catch(() => undefined);
    if (result) return result;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${what} did not happen within 10 s`);
}

/** Starts a command of the image; `stop` ends it as the engine does, and fails unless it exits with 0. */
function start(image, command, settings) {
  const env = { PATH: process.env.PATH, ...image.env, ...settings };
  const cwd = inside(image, '.');
  const child = spawn(command[0], command.slice(1), {
    cwd,
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = new Promise((resolve) =>
    child.once('exit', (code, signal) => resolve({ code, signal })),
  );
  return {
    isHealthy: (health) => spawnSync(health[0], health.slice(1), { cwd, env }).status === 0,
    async stop() {
      child.kill('SIGTERM');
      const { code, signal } = await ended;
      if (code !== 0) throw new Error(`SIGTERM ended ${command.join(' ')} with ${code ?? signal}`);
    },
  };
}

async function takeImage(origin) {
  const response = await fetch(`${origin}/v1/images`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'image/*' },
    body: JSON.stringify({ prompt: 'a red cat in a container' }),
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (!response.ok || bytes[0] !== 0xff || bytes[1] !== 0xd8)
    throw new Error(`no image: ${response.status}`);
  process.stdout.write(`   an image of ${bytes.length} bytes\n`);
}

/** Settings for loopback and a free port: this machine is no container. */
async function settingsHere(image) {
  const port = await freePort();
  return { HOST: '127.0.0.1', PORT: String(port), DATA_DIR: join(image.root, 'data') };
}

/** Starts the command of the image, and creates an image with it. */
async function use(image, settings) {
  const gateway = start(image, image.command, settings);
  try {
    const origin = `http://127.0.0.1:${settings.PORT}`;
    await until('/livez', async () => (await fetch(`${origin}/livez`)).ok);
    if (!gateway.isHealthy(image.health))
      throw new Error('the health check fails on a healthy gateway');
    await takeImage(origin);
  } finally {
    await gateway.stop();
  }
  if (gateway.isHealthy(image.health)) throw new Error('the health check passes without a gateway');
}

/** The server of the store as the file starts it, except for its address and folder. */
async function startStore(image, command) {
  const program = ['valkey-server', 'redis-server'].find(
    (name) => spawnSync(name, ['--version']).status === 0,
  );
  if (program === undefined)
    throw new Error('install valkey-server or redis-server from the packages of the system');
  const port = String(await freePort());
  const here = ['--port', port, '--bind', '127.0.0.1', '--dir', image.root];
  return { ...start(image, [program, ...command.slice(1), ...here], {}), port };
}

/** Settings of a service of the file; variables of the shell are not set. */
const settingsOf = ({ environment }, folders) =>
  Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [
      name,
      value
        .replace(/\$\{\w+:-\}/g, '')
        .replace(/^\/(data|secrets)(?=\/|$)/, (_, folder) => folders[folder]),
    ]),
  );

/** The gateway with its services, with the commands and settings of docker-compose.yml. */
async function useComposed(image) {
  process.stdout.write('── docker-compose.yml: gateway, store and service\n');
  const { services } = parse(readFileSync('docker-compose.yml', 'utf8'));
  const folders = { data: join(image.root, 'service-data'), secrets: join(image.root, 'secrets') };
  const [program, ...args] = services.secrets.command;
  const makeSecrets = args.map((word) => word.replaceAll('/secrets/', `${folders.secrets}/`));
  // The second time it changes nothing.
  for (const _ of [1, 2]) {
    if (spawnSync(program, makeSecrets).status !== 0) throw new Error('no secrets were made');
  }
  const composed = settingsOf(services.service, folders);
  const upstream = services.gateway.environment.UPSTREAM_ADDRESS;
  if (upstream !== `http://service:${composed.SERVICE_PORT}`)
    throw new Error('the gateway and the service disagree about the port');
  const port = String(await freePort());
  const settings = {
    ...composed,
    ...{ SERVICE_HOST: '127.0.0.1', SERVICE_PORT: port, DATA_DIR: folders.data },
    DRAWING_DELAY_MS: '200',
  };
  const store = await startStore(image, services.valkey.command);
  const service = start(image, services.service.command, settings);
  try {
    const [, ...health] = services.service.healthcheck.test;
    await until('health of the service', async () => service.isHealthy(health));
    await use(image, {
      ...settingsOf(services.gateway, folders),
      ...(await settingsHere(image)),
      UPSTREAM_ADDRESS: `http://127.0.0.1:${port}`,
      STORE_URL: `redis://127.0.0.1:${store.port}`,
    });
  } finally {
    await service.stop();
    await store.stop();
  }
}

const image = build(instructionsOf(readFileSync('Dockerfile', 'utf8')));
if (image.user !== 'node') throw new Error('the image does not drop root');
const development = readdirSync(join(image.root, 'app', 'node_modules')).filter((name) =>
  ['typescript', 'vitest', 'tsx', 'oxlint'].includes(name),
);
if (development.length > 0)
  throw new Error(`development dependencies are shipped: ${development.join(', ')}`);
await use(image, { ...(await settingsHere(image)), DRAWING_DELAY_MS: '200' });
await useComposed(image);
process.stdout.write('the image builds, responds, draws and stops\n');
