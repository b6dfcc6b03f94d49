// All checks that do not run the product. Runs each of them, then lists what failed.
import { spawnSync } from 'node:child_process';

const repositoryTests = [
  ...['layering', 'tree', 'words'].map((name) => `test/repo/${name}.test.ts`),
  'test/mutations/mutations.test.ts',
];
const checks = [
  ['types', 'npm', ['run', '--silent', 'types']],
  ['lint', 'npm', ['run', '--silent', 'lint']],
  ['format', 'npm', ['run', '--silent', 'format:check']],
  ['proto lint', 'npm', ['run', '--silent', 'proto:lint']],
  ['proto format', 'npm', ['run', '--silent', 'proto:format:check']],
  ['proto breaking', 'npm', ['run', '--silent', 'proto:breaking']],
  ['generated files', 'node', ['scripts/generate.mjs', '--check']],
  ['layout, links and words', 'npx', ['vitest', 'run', ...repositoryTests]],
  ['compose file', 'node', ['scripts/check-compose.mjs']],
];

const failed = [];
for (const [name, command, args] of checks) {
  process.stdout.write(`── ${String(name)}\n`);
  const startMs = performance.now();
  const { status } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  process.stdout.write(`   ${status === 0 ? 'ok' : 'FAILED'} in ${seconds} s\n`);
  if (status !== 0) failed.push(name);
}
process.stdout.write(`\n${checks.length - failed.length} passed, ${failed.length} failed\n`);
if (failed.length > 0) {
  process.stderr.write(`failed: ${failed.join(', ')}\n`);
  process.exit(1);
}
