import { createHash } from 'node:crypto';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { openCore, type Core } from '../../src/operations/core.ts';
import { openOperationIds } from '../../src/operations/operation-id.ts';
import type { SettlingService } from '../../src/operations/create/settling.ts';
import type { Clock } from '../../src/clock/clock.ts';
import type { StateStore } from '../../src/state/state-store.ts';
import { storeUnavailable } from '../../src/state/store-failure.ts';
import type { UpstreamClient } from '../../src/upstream/upstream-client.ts';
import { simulatedStore, type SimulatedState } from './simulated-store.ts';
import type { SimulatedUpstream } from './simulated-upstream.ts';
import type { World } from './world.ts';

/** As the shared store's client waits, and longer for what has to be durable. */
const storeTimeoutMs = 250;
const durableTimeoutMs = 1_750;
const generateTimeoutMs = 15_000;
const sendMsMin = 2_000;
const getTimeoutMs = 5_000;
const probeTimeoutMs = 2_000;

/** How far a gateway's clock may be off when it starts. */
const skewMsMax = 90_000;

export const simulatedIds = openOperationIds({
  current: createHash('sha256').update('one secret for all simulated gateways').digest(),
  previous: undefined,
});

/** One kind of call, as the trace and the counts name it. */
interface Call {
  readonly name: string;
  readonly timeoutMs: number;
  readonly late: () => Error;
  /** What it ends with while the other side is out of reach; absent where it never is. */
  readonly refused?: () => Error;
}

/**
 * One gateway: the core as it is shipped, and between it and the world all that
 * may go wrong. While it is dead nothing it began goes on; what it sent before
 * still arrives.
 */
export class SimulatedGateway {
  readonly name: string;
  readonly #world: World;
  readonly #state: SimulatedState;
  readonly #upstream: SimulatedUpstream;
  /** Whether the upstream is the service, which settles. */
  readonly #isService: boolean;
  /** Of the service, as last heard. */
  #storeId: string | undefined;
  #skewMs: number;
  /** How far its wall time was off, at most. */
  skewMsMax: number;
  /** Grows with every death: what belongs to an older life does nothing any more. */
  #life = 0;
  #isAlive = true;
  #frozenUntilMs = 0;
  #died: (() => void)[] = [];
  #core: Core;

  constructor(
    name: string,
    parts: {
      readonly world: World;
      readonly state: SimulatedState;
      readonly upstream: SimulatedUpstream;
      readonly isService: boolean;
    },
  ) {
    this.name = name;
    this.#world = parts.world;
    this.#state = parts.state;
    this.#upstream = parts.upstream;
    this.#isService = parts.isService;
    const { chance } = parts.world;
    this.#skewMs = chance.often(0.3) ? chance.between(-skewMsMax, skewMsMax) : 0;
    this.skewMsMax = Math.abs(this.#skewMs);
    this.#core = this.#opened();
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** The core, for callers that are connected. Calls into a dead one never come back. */
  get core(): Core {
    return this.#core;
  }

  /** Calls back if this life ends; never otherwise. */
  onDeath(callback: () => void): void {
    this.#died.push(callback);
  }

  crash(): void {
    if (!this.#isAlive) return;
    this.#world.note('crash', this.name);
    this.#isAlive = false;
    this.#life += 1;
    const { chance, time } = this.#world;
    for (const callback of this.#died.splice(0)) callback();
    time.after(chance.spread(200, 120_000), () => this.restart());
  }

  restart(): void {
    if (this.#isAlive) return;
    this.#isAlive = true;
    this.#storeId = undefined;
    this.#core = this.#opened();
  }

  freeze(): void {
    this.#world.note('pause', this.name);
    const { chance, time } = this.#world;
    this.#frozenUntilMs = time.nowMs + chance.spread(100, 90_000);
  }

  /** Sets its wall clock forwards or backwards. */
  stepWall(ms: number): void {
    this.#skewMs += ms;
    this.skewMsMax = Math.max(this.skewMsMax, Math.abs(this.#skewMs));
  }

  #opened(): Core {
    const { chance } = this.#world;
    let names = 0;
    const { name } = this;
    const life = this.#life;
    return openCore({
      upstream: this.#upstreamClient(),
      service: this.#isService ? this.#service() : undefined,
      store: this.#store(),
      clock: this.#clock(),
      random: { fraction: () => chance.fraction(), seed: () => chance.seed() },
      newName: () => `${name} ${life} ${(names += 1)}`,
      ids: simulatedIds,
      readsPerSecondMax: 50,
      resultCacheBytesMax: 1_000_000,
      imageMemoryBytesMax: 10_000_000,
      imageBytesMax: 1_000_000,
      trackedMax: 1_000,
      breakerChanged: (method, state) => this.#world.note(`${method} ${state}`, name),
      generateTimeoutMs,
    });
  }

  /** Runs something in this life, as soon as the gateway moves; never, if it is over by then. */
  #inLife(life: number, run: () => void): void {
    if (life !== this.#life) return;
    const { time } = this.#world;
    const frozenMs = this.#frozenUntilMs - time.nowMs;
    if (frozenMs <= 0) run();
    else time.after(frozenMs, () => this.#inLife(life, run));
  }

  #clock(): Clock {
    const { time } = this.#world;
    const life = this.#life;
    const bootedAtMs = time.nowMs;
    const after: Clock['after'] = (delayMs, callback) =>
      time.after(delayMs, () => this.#inLife(life, callback));
    return {
      nowMs: () => Math.round(time.nowMs + this.#skewMs),
      elapsedMs: () => time.nowMs - bootedAtMs,
      after,
      nextTurn: (callback) => void after(0, callback),
    };
  }

  #store(): StateStore {
    return simulatedStore(this.#state, (work, { durable }) =>
      this.#call(work, {
        name: durable ? 'durable write' : 'store call',
        timeoutMs: durable ? durableTimeoutMs : storeTimeoutMs,
        late: () => storeUnavailable(new Error('simulated')),
      }),
    );
  }

  #upstreamClient(): UpstreamClient {
    const tooLate = () =>
      new GatewayError('upstream_timeout', 'too late', { outcome: 'not_started' });
    const unknown = () =>
      new GatewayError('upstream_timeout', 'no response', { outcome: 'unknown' });
    return {
      ready: true,
      generate: (request, options) => {
        const { timeoutMs = generateTimeoutMs } = options ?? {};
        if (timeoutMs < sendMsMin) return Promise.reject(tooLate());
        const { traceparent = '', serviceKey } = options ?? {};
        const sent = this.#call(() => this.#upstream.generate(request, traceparent, serviceKey), {
          name: 'generate',
          // Longer than the real one has, so that responses come after the lease as well.
          timeoutMs: generateTimeoutMs,
          late: unknown,
          refused: () => unavailable({ outcome: 'not_started' }),
        });
        // Whoever refuses may be another store than before.
        void sent.catch(() => (this.#storeId = undefined));
        return sent;
      },
      getOperation: (id) =>
        this.#call(() => this.#upstream.get(id), {
          name: 'get',
          timeoutMs: getTimeoutMs,
          refused: () => unavailable(),
          late: () => new GatewayError('upstream_timeout', 'no response'),
        }),
      cancelOperation: () => Promise.reject(unknown()),
      probe: () =>
        this.#call(() => this.#upstream.probe(), {
          name: 'probe',
          timeoutMs: probeTimeoutMs,
          refused: () => unavailable(),
          late: () => new GatewayError('upstream_timeout', 'no response'),
        }),
      close: () => Promise.resolve(),
    };
  }

  #service(): SettlingService {
    const late = () => new GatewayError('upstream_timeout', 'no response');
    return {
      storeId: async () => {
        this.#storeId ??= await this.#call(() => this.#upstream.describe(), {
          name: 'describe',
          timeoutMs: probeTimeoutMs,
          late: () => late().with({ outcome: 'not_started' }),
          refused: () => unavailable({ outcome: 'not_started' }),
        });
        return this.#storeId;
      },
      settle: (key, { timeoutMs }) =>
        this.#call(() => this.#upstream.settle(key), {
          ...{ name: 'settle', timeoutMs, late, refused: () => unavailable() },
        }),
    };
  }

  /** A call across the network. Its work happens on the other side, even if its caller no longer waits. */
  #call<Result>(work: () => Result, call: Call): Promise<Result> {
    const { chance, faults, time } = this.#world;
    const life = this.#life;
    if (this.#mayDie(`before ${call.name}`)) return never();
    return new Promise((resolve, reject) => {
      const cancelTimeout = time.after(call.timeoutMs, () =>
        this.#inLife(life, () => reject(call.late())),
      );
      const back = (settle: () => void) => {
        if (chance.often(faults.loss)) return this.#world.note('response lost', call.name);
        time.after(this.#world.messageMs(), () =>
          this.#inLife(life, () => {
            if (this.#mayDie(`after ${call.name}`)) return;
            cancelTimeout();
            settle();
          }),
        );
      };
      if (chance.often(faults.loss)) this.#world.note('request lost', call.name);
      else {
        time.after(this.#world.messageMs(), () => {
          const refusal = this.#world.isUpstreamOut ? call.refused?.() : undefined;
          const outcome = refusal === undefined ? outcomeOf(work) : { error: refusal };
          back(() => ('error' in outcome ? reject(outcome.error) : resolve(outcome.result)));
        });
      }
      if (this.#mayDie(`during ${call.name}`)) cancelTimeout();
    });
  }

  #mayDie(step: string): boolean {
    const { chance, faults } = this.#world;
    if (chance.often(faults.crash)) {
      this.#world.note(`crash ${step}`);
      this.crash();
      return true;
    }
    if (chance.often(faults.pause)) this.freeze();
    return false;
  }
}

function unavailable(options: { readonly outcome?: 'not_started' } = {}): GatewayError {
  return new GatewayError('upstream_unavailable', 'out of reach', options);
}

function outcomeOf<Result>(work: () => Result): { result: Result } | { error: unknown } {
  try {
    return { result: work() };
  } catch (error) {
    return { error };
  }
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}
