import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { FaultyWrites } from './faulty-writes.ts';
import type { GatewayProgram } from './gateway-program.ts';
import type { Scenario, Stage } from './scenario.ts';

const exitWithinMs = 20_000;
const refused = { status: 503, code: 'store_unavailable', outcome: 'not_started' };

let keys = 0;
async function keyedCreate(program: GatewayProgram) {
  keys += 1;
  const { status, body } = await program.create(`beside-${keys}`);
  return { status, id: body.id, code: body.code, outcome: body.outcome };
}

/**
 * Creates with a key say why they are refused, at once and many times; what
 * exists is served, and creates that need no store go on.
 */
async function degrades(stage: Stage, program: GatewayProgram, id: string): Promise<void> {
  // A page of the file may still have room.
  await stage.until(
    'creates with a key are refused',
    async () => (await keyedCreate(program)).status === 503,
  );
  const refusals = await Promise.all(Array.from({ length: 50 }, () => keyedCreate(program)));
  const seen = new Set(
    refusals.map(({ status, code, outcome }) => JSON.stringify({ status, code, outcome })),
  );
  stage.check('creates with a key', [...seen], [JSON.stringify(refused)]);
  stage.check('a create without a key', (await program.create()).status, 202);
  stage.check('its state', await program.statusOf(`/operations/${id}`), 200);
  stage.check('its image', await program.statusOf(`/operations/${id}/image?wait=10`), 200);
  stage.check('/readyz', await program.statusOf('/readyz'), 200);
  const failures = (await program.metrics()).sum('gateway_store_failures_total');
  stage.holds('failures of the store are not counted', failures > 0);
}

async function recovers(stage: Stage, program: GatewayProgram): Promise<void> {
  await stage.until(
    'creates with a key work again',
    async () => (await keyedCreate(program)).status === 202,
  );
}

async function stops(stage: Stage, program: GatewayProgram): Promise<void> {
  program.signal('SIGTERM');
  stage.check('exit code after SIGTERM', await program.exit(exitWithinMs), 0);
}

/** The log has one warning for each outage, and one line for its end. */
function checkLog(
  stage: Stage,
  path: string,
  outages: { readonly begun: number; readonly ended: number },
): void {
  const lines = readFileSync(path, 'utf8').split('\n');
  const count = (msg: string) => lines.filter((line) => line.includes(`"msg":"${msg}"`)).length;
  stage.check('warnings', count('the store cannot be written'), outages.begun);
  stage.check('recoveries', count('the store can be written again'), outages.ended);
  stage.check('fatal errors', lines.filter((line) => line.includes('"level":60')).length, 0);
}

async function created(stage: Stage, program: GatewayProgram): Promise<string> {
  const { status, id = '' } = await keyedCreate(program);
  stage.check('a create with a key before', status, 202);
  await program.statusOf(`/operations/${id}/image?wait=10`);
  return id;
}

function fill(path: string): void {
  const file = openSync(path, 'w');
  try {
    for (;;) writeSync(file, Buffer.alloc(512));
  } catch {
    closeSync(file);
  }
}

export const dataScenarios: readonly Scenario[] = [
  {
    name: 'the data folder is full, and then has room again',
    needs: 'mount',
    async run(stage) {
      const folder = stage.mount('data', 400);
      const log = join(stage.folder, 'gateway.log');
      const program = await stage.start({
        stdout: stage.file(log),
        environment: { DATA_DIR: folder, ...(await stage.imagesElsewhere()) },
      });
      const id = await created(stage, program);
      const filler = join(folder, 'filler');
      fill(filler);
      await degrades(stage, program, id);
      rmSync(filler);
      await recovers(stage, program);
      fill(filler);
      await degrades(stage, program, id);
      await stops(stage, program);
      checkLog(stage, log, { begun: 2, ended: 1 });
    },
  },
  {
    name: 'the data folder may not grow (ulimit -f)',
    async run(stage) {
      const program = await stage.start({
        stdout: 'ignore',
        shell: 'ulimit -f 96; exec',
        environment: await stage.imagesElsewhere(),
      });
      const id = await created(stage, program);
      for (let count = 0; count < 400 && (await keyedCreate(program)).status === 202; count += 1);
      await degrades(stage, program, id);
      await stops(stage, program);
    },
  },
  ...(['ENOSPC', 'EIO', 'EDQUOT', 'EROFS'] as const).map((code): Scenario => ({
    name: `writes to the data folder fail with ${code}, and then work again`,
    needs: 'cc',
    async run(stage) {
      const folder = join(stage.folder, 'data');
      const log = join(stage.folder, 'gateway.log');
      const faults = new FaultyWrites(stage.folder, folder);
      const program = await stage.start({
        stdout: stage.file(log),
        environment: {
          ...faults.environment,
          ...(await stage.imagesElsewhere()),
          DATA_DIR: folder,
          CALLER_IMAGES_PER_DAY_MAX: '100000',
        },
      });
      const id = await created(stage, program);
      faults.begin(code);
      await stage.until(
        'creates are refused',
        async () => (await keyedCreate(program)).status === 503,
      );
      // The day's counter is in the store, so that every create needs it.
      const { status, body } = await program.create();
      stage.check(
        'a create without a key',
        { status, code: body.code, outcome: body.outcome },
        refused,
      );
      stage.check('its image', await program.statusOf(`/operations/${id}/image`), 200);
      faults.end();
      await recovers(stage, program);
      faults.begin(code);
      await stage.until(
        'creates are refused again',
        async () => (await keyedCreate(program)).status === 503,
      );
      await stops(stage, program);
      checkLog(stage, log, { begun: 2, ended: 1 });
    },
  })),
  {
    name: 'the data folder is read-only at the start',
    needs: 'mount',
    async run(stage) {
      const folder = stage.mount('data', 400, ',ro');
      await refusesToStart(stage, folder);
    },
  },
  {
    name: 'the data folder is full at the start',
    needs: 'mount',
    async run(stage) {
      const folder = stage.mount('data', 64);
      fill(join(folder, 'filler'));
      await refusesToStart(stage, folder);
    },
  },
];

async function refusesToStart(stage: Stage, folder: string): Promise<void> {
  const program = await stage.launch({ environment: { DATA_DIR: folder } });
  stage.check('exit code', await program.exit(exitWithinMs), 1);
  stage.holds(
    `no sentence about DATA_DIR: ${program.errors}`,
    /^ *DATA_DIR: .*$/m.test(program.errors),
  );
  stage.holds(`a stack: ${program.errors}`, !/^ +at /m.test(program.errors));
}
