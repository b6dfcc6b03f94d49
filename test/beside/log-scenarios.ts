import { spawnSync } from 'node:child_process';
import { readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { FaultyWrites } from './faulty-writes.ts';
import type { GatewayProgram } from './gateway-program.ts';
import type { Scenario, Stage } from './scenario.ts';

const exitWithinMs = 20_000;
/** More than the first full batch of lines, and than a pipe holds. */
const requests = 320;

async function ask(program: GatewayProgram, count = requests): Promise<readonly number[]> {
  const statuses: number[] = [];
  for (let sent = 0; sent < count; sent += 20) {
    const batch = Array.from({ length: 20 }, () => program.statusOf('/readyz'));
    statuses.push(...(await Promise.all(batch)));
  }
  return [...new Set(statuses)];
}

async function lostLines(program: GatewayProgram): Promise<number> {
  return (await program.metrics()).sum('gateway_log_lines_lost_total');
}

/** Everything works, and SIGTERM ends it in order. */
async function worksAndStops(stage: Stage, program: GatewayProgram): Promise<void> {
  stage.check('requests', await ask(program), [200]);
  stage.check('a create', (await program.create()).status, 202);
  program.signal('SIGTERM');
  stage.check('exit code after SIGTERM', await program.exit(exitWithinMs), 0);
}

/** Asks until the log has no room any more, in the kernel and in the process. */
async function fill(stage: Stage, program: GatewayProgram): Promise<void> {
  const id = 'x'.repeat(120);
  const isFull = async () => {
    await Promise.all(Array.from({ length: 200 }, () => program.statusOf('/readyz', id)));
    return (await lostLines(program)) > 0;
  };
  await stage.until('the log is full', isFull, 120_000);
}

/** An error that no one catches, on SIGUSR2. */
const mistake = `process.on('SIGUSR2', () => { throw new TypeError('planted') });`;
const withMistake = ['--import', `data:text/javascript,${encodeURIComponent(mistake)}`];

export const logScenarios: readonly Scenario[] = [
  {
    name: 'the log goes to /dev/full',
    async run(stage) {
      const program = await stage.start({ stdout: stage.file('/dev/full') });
      await ask(program, 100);
      await stage.until('lost lines are counted', async () => (await lostLines(program)) >= 100);
      stage.holds(
        'standard error does not say that lines are lost',
        program.errors.includes('log lines are being lost: ENOSPC'),
      );
      await worksAndStops(stage, program);
    },
  },
  {
    name: 'an error that no one catches, with the log on /dev/full',
    async run(stage) {
      const program = await stage.start({
        stdout: stage.file('/dev/full'),
        nodeArguments: withMistake,
      });
      await ask(program, 40);
      program.signal('SIGUSR2');
      stage.check('exit code', await program.exit(exitWithinMs), 1);
    },
  },
  {
    name: 'log and standard error go to /dev/full',
    async run(stage) {
      const full = stage.file('/dev/full');
      await worksAndStops(stage, await stage.start({ stdout: full, stderr: full }));
    },
  },
  {
    name: 'no one reads the pipe of the log',
    async run(stage) {
      const path = join(stage.folder, 'pipe');
      spawnSync('mkfifo', [path]);
      // Open at both ends, and never read.
      const program = await stage.start({ stdout: stage.file(path, 'r+') });
      await fill(stage, program);
      await worksAndStops(stage, program);
    },
  },
  {
    name: 'no one reads the socket of the log',
    async run(stage) {
      const program = await stage.start({ stdout: 'pipe' });
      program.stdout?.pause();
      await fill(stage, program);
      await worksAndStops(stage, program);
    },
  },
  {
    name: 'the pipe of the log has lost its reader',
    async run(stage) {
      const program = await stage.start({ stdout: 'pipe' });
      program.stdout?.destroy();
      await ask(program, 100);
      await stage.until('lost lines are counted', async () => (await lostLines(program)) > 0);
      await worksAndStops(stage, program);
    },
  },
  {
    name: 'the disk of the log is full, and then has room again',
    needs: 'mount',
    async run(stage) {
      const path = join(stage.mount('log', 4), 'gateway.log');
      const program = await stage.start({ stdout: stage.file(path) });
      await ask(program, 100);
      await stage.until('lost lines are counted', async () => (await lostLines(program)) > 20);
      truncateSync(path);
      await recovers(stage, program, path);
      await worksAndStops(stage, program);
    },
  },
  ...(['ENOSPC', 'EIO', 'EDQUOT'] as const).map((code): Scenario => ({
    name: `writes of the log fail with ${code}, and then work again`,
    needs: 'cc',
    async run(stage) {
      const path = join(stage.folder, 'gateway.log');
      const faults = new FaultyWrites(stage.folder, path);
      const program = await stage.start({
        stdout: stage.file(path),
        environment: faults.environment,
      });
      faults.begin(code);
      await ask(program, 100);
      await stage.until('lost lines are counted', async () => (await lostLines(program)) >= 100);
      faults.end();
      await recovers(stage, program, path);
      await worksAndStops(stage, program);
    },
  })),
];

/** Every line is whole again, and one of them says how many were lost. */
async function recovers(stage: Stage, program: GatewayProgram, path: string): Promise<void> {
  const warnings = () =>
    readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line.includes('"msg":"log lines lost"'));
  await stage.until('the log says that lines were lost', async () => {
    await program.statusOf('/readyz');
    return warnings().length > 0;
  });
  stage.check('warnings about lost lines', warnings().length, 1);
  const { lines } = JSON.parse(warnings()[0] ?? '{}') as { lines?: number };
  stage.check('lines lost, by the log and by the metric', lines, await lostLines(program));
}
