/**
 * Ends real services by `kill -9` at every step, starts them again on the same
 * directory, and looks at what became of every operation.
 *
 *     npm run test:service-kill -- [--kills N]                local drawings (P21)
 *     npm run test:service-kill -- [--kills N] --backend      a backend that bills each request (P22)
 *     … --minutes 9 --progress FILE                           goes on where the last run ended
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { recordFigure } from '../support/figure.ts';
import { connectGrpc } from '../support/grpc-client.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { startCountingBackend, type CountingBackend } from './counting-backend.ts';
import { Customers } from './customers.ts';
import { freePort, startServiceProcess, type ServiceProcess } from './service-process.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '24' },
    backend: { type: 'boolean', default: false },
    lanes: { type: 'string', default: '3' },
    minutes: { type: 'string', default: 'Infinity' },
    progress: { type: 'string' },
  },
});

/**
 * Where the service ends, in an order that lets an operation go on between two
 * ends. A write inside LMDB can be cut too: `in done` is before its commit.
 */
const failpoints = [
  ...['after dispatched', 'before insert', 'before image', 'after insert'],
  ...['after part', 'in done', 'in dispatched', 'after link', 'before take-over', 'after image'],
  ...['in stored', 'before sweep', 'after stored', 'after done', 'after sweep', 'after take-over'],
  ...['second: before take-over', 'second: after take-over', 'second: after dispatched'],
];
const backendFailpoints = [
  ...['request arrived', 'after submitted', 'half a response', 'during conversion'],
  ...['in submitted', 'before finished image', 'response sent', 'after finished image'],
];

/** Creates of one life of the service: enough for every failpoint to be reached. */
const createsPerLife = 8;
const lifeMsMax = 20_000;
/** Until the owner is killed whose place a second process takes. */
const secondAfterMs = 1_000;
/** Kills between two looks at all operations. */
const killsBetweenLooks = 50;

interface Progress {
  kills: number;
  attempted: number;
  seen: Record<string, number>;
  broken: string[];
}

const isBilled = values.backend;
const points = isBilled ? [...failpoints, ...backendFailpoints] : failpoints;
const wanted = Number(values.kills);
const untilMs = performance.now() + Number(values.minutes) * 60_000;
const random = seededRandom(Date.now());
const progress = await begun();
let begunKills = progress.kills;

/** One directory after the other, whose services are ended again and again. */
class Lane {
  readonly #backend: CountingBackend | undefined;

  constructor(backend: CountingBackend | undefined) {
    this.#backend = backend;
  }

  async run(): Promise<void> {
    while (begunKills < wanted && performance.now() < untilMs) await this.#round();
    this.#backend?.close();
  }

  async #round(): Promise<void> {
    const directory = await mkdtemp(join(tmpdir(), 'service-kill-'));
    const customers = new Customers(isBilled ? 'model' : 'yandex-art');
    let kills = 0;
    for (; kills < killsBetweenLooks; kills += 1) {
      if (begunKills >= wanted || performance.now() > untilMs) break;
      begunKills += 1;
      await this.#live(directory, begunKills, customers);
    }
    await this.#lookAtAll(directory, customers);
    await rm(directory, { recursive: true, force: true });
    await keep(kills, customers);
  }

  /** One life of the service, to its end at a failpoint. */
  async #live(directory: string, round: number, customers: Customers): Promise<void> {
    const point = points[round % points.length] ?? '';
    const isSecond = point.startsWith('second: ');
    const failpoint = point.replace('second: ', '');
    const failing = { FAILPOINT: failpoint, FAIL_AT: String(failAtOf(failpoint, round)) };
    const environment = await this.#environment(directory);
    const service = await startServiceProcess({ ...environment, ...(isSecond ? {} : failing) });
    if (service === undefined) return;
    this.#killAt(failpoint, 1 + (round % 3), service);
    const second = isSecond
      ? startServiceProcess({ ...(await this.#environment(directory)), ...failing })
      : undefined;
    const force = setTimeout(
      () => service.child.kill('SIGKILL'),
      isSecond ? secondAfterMs : lifeMsMax,
    );
    await customers.createUntilGone(environment.SERVICE_PORT, service, createsPerLife);
    clearTimeout(force);
    const other = await second;
    if (other === undefined) return;
    const otherForce = setTimeout(() => other.child.kill('SIGKILL'), lifeMsMax);
    await other.gone;
    clearTimeout(otherForce);
  }

  #killAt(moment: string, at: number, { child }: ServiceProcess): void {
    if (this.#backend === undefined) return;
    let left = at;
    this.#backend.reached = (reached) => {
      if (reached === moment && (left -= 1) === 0) child.kill('SIGKILL');
    };
  }

  async #environment(directory: string) {
    const port = String(await freePort());
    return {
      ...{ SERVICE_DIR: directory, SERVICE_PORT: port, DRAWING_DELAY_MS: '0' },
      ...(this.#backend !== undefined && {
        ...{ BACKEND_URL: this.#backend.url, BACKEND_SPEND: 'once', BACKEND_CONCURRENCY: '3' },
      }),
    };
  }

  /** Lets all operations end, and looks at each. */
  async #lookAtAll(directory: string, customers: Customers): Promise<void> {
    const environment = await this.#environment(directory);
    const backend = this.#backend;
    if (backend !== undefined) backend.isTroubled = false;
    const service = await startServiceProcess(environment);
    if (service === undefined) throw new Error('the service did not start');
    const grpc = connectGrpc(`http://127.0.0.1:${environment.SERVICE_PORT}`);
    await customers.lookAtAll(grpc, backend?.requests);
    grpc.client.close();
    service.child.kill('SIGTERM');
    await service.gone;
    if (backend !== undefined) backend.isTroubled = true;
  }
}

/** Operations that the last life left are taken up first, and are not to be what ends three lives in a row. */
function failAtOf(failpoint: string, round: number): number {
  if (failpoint.endsWith('take-over') || failpoint.endsWith('sweep')) return 1;
  return failpoint === 'during conversion' ? 1 + (round % 2) : 3 + (round % 4);
}

async function begun(): Promise<Progress> {
  const fresh = { kills: 0, attempted: 0, seen: {}, broken: [] };
  if (values.progress === undefined) return fresh;
  const text = await readFile(values.progress, 'utf8').catch(() => undefined);
  return text === undefined ? fresh : (JSON.parse(text) as Progress);
}

async function keep(kills: number, { attempted, broken, seen }: Customers): Promise<void> {
  progress.kills += kills;
  progress.attempted += attempted;
  progress.broken.push(...broken);
  for (const [what, times] of seen) progress.seen[what] = (progress.seen[what] ?? 0) + times;
  if (values.progress !== undefined) await writeFile(values.progress, JSON.stringify(progress));
}

const lanes = Array.from({ length: Number(values.lanes) }, async () => {
  const backend = isBilled ? await startCountingBackend(() => random.fraction()) : undefined;
  await new Lane(backend).run();
});
await Promise.all(lanes);

const { kills, attempted, broken } = progress;
const { accepted = 0, image = 0, ...others } = progress.seen;
for (const said of broken.slice(0, 20)) process.stdout.write(`${said}\n`);
const steps = `${kills} × kill -9 over ${points.length} failpoints: ${accepted} of ${attempted} creates accepted, ${image} ended with an image`;
const rest = Object.entries(others).map(([what, times]) => `, ${times} ${what}`);
recordFigure({
  ...(!isBilled
    ? {
        promise: 'P21',
        says: 'Accepted work survives the end of the service',
        goal: '1,000 × kill -9 over the failpoints: 0 lost, every operation ends',
      }
    : {
        promise: 'P22',
        part: 'kill',
        says: '… with real processes and a backend that counts',
        goal: '1,000 × kill -9: ≤ 1 request an operation that did not end in a sure refusal, every loss reported as such',
      }),
  seen: `${steps}${rest.join('')}, ${broken.length} broken promises`,
  isMet: broken.length === 0 && accepted > kills / 2 && kills >= 1_000,
  by: `npm run test:service-kill -- --kills ${kills}${isBilled ? ' --backend' : ''}`,
});
process.exitCode = broken.length > 0 || accepted === 0 ? 1 : 0;
