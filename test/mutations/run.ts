/**
 * Makes one deliberate mistake after the other in a copy of the project, and
 * expects the test that is named for it to fail.
 *
 *     npm run test:mutations -- [--only WORDS]
 */
import { execFile, execFileSync } from 'node:child_process';
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

const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root });

/** A copy of the project for one mutation at a time. @returns Its folder. */
async function copyOfProject(): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'gateway-mutation-'));
  for (const path of listed.toString().trim().split('\n')) {
    await cp(join(root, path), join(copy, path)).catch((error: NodeJS.ErrnoException) => {
      // Deleted and not yet committed.
      if (error.code !== 'ENOENT') throw error;
    });
  }
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

/** Whether the check passes in a copy, and the end of what it said. */
async function check(
  copy: string,
  noticedBy: string,
): Promise<{ readonly passed: boolean; readonly said: string }> {
  const [name, count] = noticedBy.split(' ');
  const args =
    name === 'simulate'
      ? ['node_modules/tsx/dist/cli.mjs', 'test/simulation/simulate.ts', '--seeds', String(count)]
      : ['node_modules/vitest/vitest.mjs', 'run', '--bail', '1', ...configOf(noticedBy), noticedBy];
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      args,
      {
        cwd: copy,
        timeout: checkMsMax,
        maxBuffer: 64 * 1_048_576,
        env: { ...process.env, NO_COLOR: '1' },
      },
      (error, stdout, stderr) => resolve({ passed: error === null, said: `${stdout}${stderr}` }),
    );
  });
}

/** Tests of processes have a configuration of their own. */
function configOf(testFile: string): readonly string[] {
  return testFile.startsWith('test/process/') ? ['-c', 'vitest.process.config.ts'] : [];
}

/** A test file that does not run proves nothing: its tests must have run and failed. */
const failedTests = /Failed Tests|again: npm run simulate/;

/** @returns What is wrong, when the mutation is not noticed. */
async function missOf(copy: string, mutation: Mutation): Promise<string | undefined> {
  const path = join(copy, mutation.file);
  const text = await readFile(path, 'utf8');
  if (text.split(mutation.right).length !== 2) return 'its place is not in the file exactly once';
  await writeFile(
    path,
    text.replace(mutation.right, () => mutation.wrong),
  );
  const { passed, said } = await check(copy, mutation.noticedBy);
  await writeFile(path, text);
  if (passed) return `${mutation.noticedBy} still passes`;
  return failedTests.test(said)
    ? undefined
    : `${mutation.noticedBy} did not run to a result:\n${said.slice(-1_500)}`;
}

/** Works through a list in every copy at once. */
async function inCopies<Item>(
  items: Iterable<Item>,
  work: (copy: string, item: Item) => Promise<void>,
): Promise<void> {
  const left = [...items];
  await Promise.all(
    copies.map(async (copy) => {
      for (let item = left.shift(); item !== undefined; item = left.shift()) await work(copy, item);
    }),
  );
}

const chosen = mutations.filter(({ name }) => name.includes(values.only));
const missed: string[] = [];
// A test file takes about a core.
const copies = await Promise.all([copyOfProject(), copyOfProject()]);
await inCopies(new Set(chosen.map((mutation) => mutation.noticedBy)), async (copy, noticedBy) => {
  const { passed, said } = await check(copy, noticedBy);
  if (!passed) missed.push(`${noticedBy} fails without a mutation:\n${said.slice(-1_500)}`);
});
await inCopies(missed.length === 0 ? chosen : [], async (copy, mutation) => {
  const miss = await missOf(copy, mutation);
  process.stdout.write(`${miss === undefined ? 'noticed' : 'MISSED '}  ${mutation.name}\n`);
  if (miss !== undefined) missed.push(`${mutation.name}: ${miss}`);
});
for (const copy of copies) await rm(copy, { recursive: true, force: true });
process.stdout.write(`${chosen.length - missed.length} of ${chosen.length} mutations noticed\n`);
for (const miss of missed) process.stderr.write(`${miss}\n`);
process.exitCode = missed.length === 0 && chosen.length > 0 ? 0 : 1;
