// Compiles src/ into dist/. With --if-stale it does so only when dist/ is older
// than its sources, so that `npm start` costs nothing when dist/ is fresh.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
// The time of this file is the time of the build.
const stampName = '.built';
const compiler = join(root, 'node_modules/typescript/bin/tsc');

const nodeMin = [20, 19];

function stop(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

function refuseOldNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > nodeMin[0] || (major === nodeMin[0] && minor >= nodeMin[1])) return;
  stop(`Node ${process.versions.node} is too old: ${nodeMin.join('.')} or later is needed.`);
}

function newestChangeMs(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 0;
  // The time of a folder changes when a file is removed from it.
  if (!stat.isDirectory()) return stat.mtimeMs;
  return readdirSync(path).reduce(
    (newest, name) => Math.max(newest, newestChangeMs(join(path, name))),
    stat.mtimeMs,
  );
}

function isFresh() {
  const built = statSync(join(dist, stampName), { throwIfNoEntry: false });
  if (built === undefined || !existsSync(join(dist, 'main.js'))) return false;
  const sources = [
    'src',
    'tsconfig.json',
    'tsconfig.build.json',
    'package.json',
    'package-lock.json',
  ];
  return sources.every((source) => newestChangeMs(join(root, source)) < built.mtimeMs);
}

refuseOldNode();
if (process.argv.includes('--if-stale') && isFresh()) process.exit(0);
if (!existsSync(compiler)) {
  stop(
    'The dependencies are not installed: run "npm ci" first (with its development dependencies).',
  );
}
// Before the compiler reads: a file that is saved while it runs is newer than the build.
const startedAt = new Date();
// Built beside dist/ and then renamed: a gateway or another build that uses dist/
// at this moment never sees half of it.
const fresh = join(root, `.dist-${process.pid}`);
const stale = join(root, `.dist-${process.pid}-old`);
const { status } = spawnSync(
  process.execPath,
  [compiler, '-p', 'tsconfig.build.json', '--outDir', fresh],
  { cwd: root, stdio: 'inherit' },
);
if (status !== 0) {
  rmSync(fresh, { recursive: true, force: true });
  stop('The build failed.');
}
// The pages of the playground are served as they are.
cpSync(join(root, 'src/http/playground'), join(fresh, 'http/playground'), { recursive: true });
const stamp = join(fresh, stampName);
writeFileSync(stamp, `${startedAt.toISOString()}\n`);
utimesSync(stamp, startedAt, startedAt);
if (existsSync(dist)) renameSync(dist, stale);
renameSync(fresh, dist);
rmSync(stale, { recursive: true, force: true });
