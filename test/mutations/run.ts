/**
 * Makes one deliberate mistake after the other in a copy of the project, and
 * expects the test that is named for it to fail.
 *
 *     npm run test:mutations -- [--only WORDS]
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Mutation } from './mutation.ts';
import { mutations } from './mutations.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } });
const checkMsMax = 180_000;

const copy = await mkdtemp(join(tmpdir(), 'gateway-mutation-'));
const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root });
for (const path of listed.toString().trim().split('\n')) {
  await cp(join(root, path), join(copy, path)).catch((error: NodeJS.ErrnoException) => {
    // Deleted and not yet committed.
    if (error.code !== 'ENOENT') throw error;
  });
}
await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));

/** Whether the check passes in the copy, and the end of what it said. */
function check(noticedBy: string): { readonly passed: boolean; readonly said: string } {
  const [name, count] = noticedBy.split(' ');
  const args =
    name === 'simulate'
      ? ['node_modules/tsx/dist/cli.mjs', 'test/simulation/simulate.ts', '--seeds', String(count)]
      : ['node_modules/vitest/vitest.mjs', 'run', '--bail', '1', ...configOf(noticedBy), noticedBy];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: copy,
    encoding: 'utf8',
    timeout: checkMsMax,
    env: { ...process.env, NO_COLOR: '1' },
  });
  return { passed: status === 0, said: `${stdout}${stderr}` };
}

/** Tests of processes have a configuration of their own. */
function configOf(testFile: string): readonly string[] {
  return testFile.startsWith('test/process/') ? ['-c', 'vitest.process.config.ts'] : [];
}

/** A test file that does not run proves nothing: its tests must have run and failed. */
const failedTests = /Failed Tests|again: npm run simulate/;

async function noticed(mutation: Mutation): Promise<string | undefined> {
  const path = join(copy, mutation.file);
  const text = await readFile(path, 'utf8');
  if (text.split(mutation.right).length !== 2) return 'its place is not in the file exactly once';
  await writeFile(
    path,
    text.replace(mutation.right, () => mutation.wrong),
  );
  const { passed, said } = check(mutation.noticedBy);
  await writeFile(path, text);
  if (passed) return `${mutation.noticedBy} still passes`;
  return failedTests.test(said)
    ? undefined
    : `${mutation.noticedBy} did not run to a result:\n${said.slice(-1_500)}`;
}

const chosen = mutations.filter(({ name }) => name.includes(values.only));
const missed: string[] = [];
for (const noticedBy of new Set(chosen.map((mutation) => mutation.noticedBy))) {
  const { passed, said } = check(noticedBy);
  if (!passed) missed.push(`${noticedBy} fails without a mutation:\n${said.slice(-1_500)}`);
}
for (const mutation of missed.length === 0 ? chosen : []) {
  const miss = await noticed(mutation);
  process.stdout.write(`${miss === undefined ? 'noticed' : 'MISSED '}  ${mutation.name}\n`);
  if (miss !== undefined) missed.push(`${mutation.name}: ${miss}`);
}
await rm(copy, { recursive: true, force: true });
process.stdout.write(`${chosen.length - missed.length} of ${chosen.length} mutations noticed\n`);
for (const miss of missed) process.stderr.write(`${miss}\n`);
process.exitCode = missed.length === 0 && chosen.length > 0 ? 0 : 1;
