/**
 * Plants one known mistake after the other into a copy of the project, and
 * expects the check that is named for it to fail.
 *
 *     npm run test:mutations -- [--only WORDS]
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { mutations, type Mutation } from './mutations.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } });
const checkMsMax = 180_000;

const copy = await mkdtemp(join(tmpdir(), 'gateway-planted-'));
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
      : ['node_modules/vitest/vitest.mjs', 'run', '--bail', '1', noticedBy];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: copy,
    encoding: 'utf8',
    timeout: checkMsMax,
    env: { ...process.env, NO_COLOR: '1' },
  });
  return { passed: status === 0, said: `${stdout}${stderr}` };
}

/** A file that does not run is no proof: the check must have come to a judgement. */
const codeRules = /Failed Tests|again: npm run simulate/;

async function noticed(bug: Mutation): Promise<string | undefined> {
  const path = join(copy, bug.file);
  const text = await readFile(path, 'utf8');
  if (text.split(bug.right).length !== 2) return 'its place is not in the file exactly once';
  await writeFile(
    path,
    text.replace(bug.right, () => bug.wrong),
  );
  const { passed, said } = check(bug.noticedBy);
  await writeFile(path, text);
  if (passed) return `${bug.noticedBy} stayed green`;
  return codeRules.test(said)
    ? undefined
    : `${bug.noticedBy} did not come to a judgement:\n${said.slice(-1_500)}`;
}

const chosen = mutations.filter(({ name }) => name.includes(values.only));
const missed: string[] = [];
for (const noticedBy of new Set(chosen.map((bug) => bug.noticedBy))) {
  const { passed, said } = check(noticedBy);
  if (!passed) missed.push(`${noticedBy} is red without any planted bug:\n${said.slice(-1_500)}`);
}
for (const bug of missed.length === 0 ? chosen : []) {
  const fault = await noticed(bug);
  process.stdout.write(`${fault === undefined ? 'noticed' : 'MISSED '}  ${bug.name}\n`);
  if (fault !== undefined) missed.push(`${bug.name}: ${fault}`);
}
await rm(copy, { recursive: true, force: true });
process.stdout.write(`${chosen.length - missed.length} of ${chosen.length} planted bugs noticed\n`);
for (const fault of missed) process.stderr.write(`${fault}\n`);
process.exitCode = missed.length === 0 && chosen.length > 0 ? 0 : 1;
