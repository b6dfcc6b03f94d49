import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openLmdbOperationStore } from '../../src/service/lmdb-operation-store.ts';
import { GatewayProcess } from '../fleet/gateway-process.ts';

/** Where each of the two kills itself; `none` lives on. */
const gatewaySteps = [
  ...['during generate', 'before generate', 'after generate', 'after dispatch'],
  ...['before settle', 'after settle', 'before dispatch', 'none'],
];
const serviceSteps = ['none', 'after insert', 'before settle', 'after settle', 'before insert'];

export interface KillCounts {
  gatewayKills: number;
  serviceKills: number;
  wishes: number;
  /** Responses with `outcome: unknown` before the end. */
  unknownMeanwhile: number;
  /** Wishes that were unknown in the end, not accepted, or accepted more than once. */
  readonly wrong: string[];
}

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Longer than the lease of a create whose gateway died. */
const leaseMs = 25_000;
const createsPerRound = 3;

/** Kills a gateway and its service again and again, at every step of a create and of its settling. */
export async function killEverywhere(kills: number): Promise<KillCounts> {
  const pair = await Pair.open();
  const counts: KillCounts = {
    ...{ gatewayKills: 0, serviceKills: 0, wishes: 0, unknownMeanwhile: 0, wrong: [] },
  };
  const ended = new Map<string, string>();
  const ask = async (key: string): Promise<void> => {
    const { outcome, id } = await pair.create(key);
    if (outcome === 'unknown') counts.unknownMeanwhile += 1;
    if (id !== undefined) ended.set(key, id);
  };
  for (let round = 0; counts.gatewayKills + counts.serviceKills < kills; round += 1) {
    const gatewayStep = gatewaySteps[round % gatewaySteps.length] ?? 'none';
    const serviceStep = serviceSteps[(round * 3) % serviceSteps.length] ?? 'none';
    await pair.start(gatewayStep, serviceStep);
    const fresh = Array.from({ length: createsPerRound }, () => `wish-${(counts.wishes += 1)}`);
    const open = Array.from({ length: counts.wishes }, (_, index) => `wish-${index + 1}`);
    // Some of before are settled in this round, so that a Settle is under way as well.
    const earlier = open.filter((key) => !ended.has(key) && !fresh.includes(key)).slice(0, 3);
    await Promise.all([...fresh, ...earlier].map(ask));
    const { gatewayDied, serviceDied } = await pair.end();
    counts.gatewayKills += Number(gatewayDied);
    counts.serviceKills += Number(serviceDied);
  }
  await pair.start('none', 'none');
  await new Promise((resolve) => setTimeout(resolve, leaseMs));
  const { length } = Array.from({ length: counts.wishes }, (_, index) => index);
  for (let wish = 1; wish <= length; wish += 1) {
    const key = `wish-${wish}`;
    const { outcome, code, id } = await pair.create(key);
    const before = ended.get(key);
    if (id === undefined) counts.wrong.push(`${key} is ${outcome} (${code})`);
    else if (before !== undefined && before !== id) counts.wrong.push(`${key} has two ids`);
  }
  await pair.end();
  const accepted = await pair.acceptedByPrompt();
  for (let wish = 1; wish <= counts.wishes; wish += 1) {
    const times = accepted.get(`wish-${wish}`) ?? 0;
    if (times !== 1) counts.wrong.push(`wish-${wish} was accepted ${times} times`);
  }
  await pair.remove();
  return counts;
}

interface CreateResponse {
  readonly id?: string;
  readonly outcome?: string;
  readonly code?: string;
}

/** A gateway and its service, each in a process of its own and with files that outlive it. */
class Pair {
  readonly #directory: string;
  readonly #port: number;
  #service: ChildProcess | undefined;
  #gateway: GatewayProcess | undefined;

  private constructor(directory: string, port: number) {
    this.#directory = directory;
    this.#port = port;
  }

  static async open(): Promise<Pair> {
    return new Pair(await mkdtemp(join(tmpdir(), 'settling-')), await freePort());
  }

  async start(gatewayStep: string, serviceStep: string): Promise<void> {
    this.#service = await startService({
      SERVICE_DIR: join(this.#directory, 'service'),
      SERVICE_PORT: String(this.#port),
      ...{ DRAWING_DELAY_MS: '3600000', QUEUE_MAX: '100000', FAILPOINT: serviceStep },
    });
    this.#gateway = await GatewayProcess.start('test/fleet/failing-gateway.mjs', {
      DATA_DIR: join(this.#directory, 'gateway'),
      UPSTREAM_ADDRESS: `http://127.0.0.1:${this.#port}`,
      UPSTREAM_IS_SERVICE: 'true',
      ...{ UPSTREAM_API_KEY: 'none-is-needed-here', GENERATE_TIMEOUT_MS: '5000' },
      ...{ FAILPOINT: gatewayStep, FAIL_AT: '2' },
    });
  }

  /** One create. @returns What its caller reads; nothing where the connection broke. */
  async create(key: string): Promise<CreateResponse> {
    const response = await fetch(`${this.#gateway?.origin}/v1/images`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify({ prompt: key }),
      signal: AbortSignal.timeout(60_000),
    })
      .then((sent) => sent.json() as Promise<CreateResponse>)
      .catch(() => ({}));
    return response;
  }

  /** Ends both. @returns Which of them had ended by itself. */
  async end(): Promise<{ readonly gatewayDied: boolean; readonly serviceDied: boolean }> {
    const [gateway, service] = [this.#gateway, this.#service];
    const gatewayDied = gateway !== undefined && !isRunning(gateway.pid);
    const serviceDied = service?.signalCode === 'SIGKILL';
    await gateway?.kill();
    if (service !== undefined && service.exitCode === null && service.signalCode === null) {
      service.kill('SIGKILL');
      await once(service, 'exit');
    }
    return { gatewayDied, serviceDied };
  }

  /** What the service keeps, read from its files. */
  async acceptedByPrompt(): Promise<ReadonlyMap<string, number>> {
    const store = await openLmdbOperationStore(join(this.#directory, 'service', 'operations'));
    const accepted = new Map<string, number>();
    for (const { plan } of store.unfinished()) {
      const prompt = plan?.prompt ?? '';
      accepted.set(prompt, (accepted.get(prompt) ?? 0) + 1);
    }
    await store.close();
    return accepted;
  }

  async remove(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }
}

async function startService(environment: Record<string, string>): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['test/service/failing-service.mjs'], {
    cwd: root,
    env: { PATH: process.env['PATH'], LOG_LEVEL: 'info', FAIL_AT: '2', ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.includes('"listening"')) resolve();
    });
    child.once('exit', () => reject(new Error('the service ended early')));
  });
  return child;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
