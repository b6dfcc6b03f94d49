import { beforeEach, describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import { Idempotency } from '../../../src/operations/create/idempotency.ts';
import { SimulatedState, simulatedStore } from '../../simulation/simulated-store.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

let clock: VirtualClock;
let state: SimulatedState;
let sent: number;

beforeEach(() => {
  clock = new VirtualClock();
  state = new SimulatedState(() => clock.nowMs());
  sent = 0;
});

function gateway(transport?: Parameters<typeof simulatedStore>[1]): Idempotency {
  return new Idempotency({ store: simulatedStore(state, transport), clock });
}

interface Steps {
  readonly fingerprint?: string;
  readonly reserve?: () => Promise<void>;
  readonly send?: () => Promise<{ operationId: string }>;
}

function create({ fingerprint = 'one', reserve = async () => undefined, send }: Steps = {}) {
  const refund = async () => undefined;
  const counted = async () => {
    sent += 1;
    return send === undefined ? { operationId: `operation ${sent}` } : send();
  };
  return { recordKey: 'key', fingerprint, reserve, refund, send: counted };
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve));
}

const refusal = new GatewayError('invalid_request', 'no', { outcome: 'not_started' });
const timeout = new GatewayError('upstream_timeout', 'late', { outcome: 'unknown' });
const reasonOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof GatewayError ? error.reason : String(error)),
  );

describe('a create with a key', () => {
  it('is sent once, and replayed from the record afterwards', async () => {
    expect(await gateway().run(create())).toEqual({ made: { operationId: 'operation 1' } });
    expect(await gateway().run(create())).toEqual({ replayOf: 'operation 1', hasJoined: false });
    expect(sent).toBe(1);
  });

  it('refuses the key for another request, in every state', async () => {
    await gateway().run(create());
    expect(await reasonOf(gateway().run(create({ fingerprint: 'two' })))).toBe(
      'idempotency_key_reused',
    );
    expect(sent).toBe(1);
  });

  it('joins the one that is under way, in this process and in another', async () => {
    const first = gateway();
    const send = async () => {
      await after(3_000);
      return { operationId: 'slow' };
    };
    const responses = [first.run(create({ send })), first.run(create()), gateway().run(create())];
    await clock.advance(10_000);
    expect(await Promise.all(responses)).toEqual([
      { made: { operationId: 'slow' } },
      { replayOf: 'slow', hasJoined: true },
      { replayOf: 'slow', hasJoined: true },
    ]);
    expect(sent).toBe(1);
  });

  it('may be sent again when nothing was spent', async () => {
    expect(await reasonOf(gateway().run(create({ send: () => Promise.reject(refusal) })))).toBe(
      'invalid_request',
    );
    expect(await gateway().run(create())).toEqual({ made: { operationId: 'operation 2' } });
  });

  it('is never sent again when the money may be gone', async () => {
    expect(await reasonOf(gateway().run(create({ send: () => Promise.reject(timeout) })))).toBe(
      'upstream_timeout',
    );
    expect(await reasonOf(gateway().run(create()))).toBe('outcome_unknown');
    await clock.advance(71 * 3_600_000);
    expect(await reasonOf(gateway().run(create()))).toBe('outcome_unknown');
    expect(sent).toBe(1);
  });

  it('leaves the key free for another request when a limit refused it', async () => {
    const limited = new GatewayError('rate_limited', 'no', { outcome: 'not_started' });
    expect(await reasonOf(gateway().run(create({ reserve: () => Promise.reject(limited) })))).toBe(
      'rate_limited',
    );
    expect(await gateway().run(create({ fingerprint: 'two' }))).toEqual({
      made: { operationId: 'operation 1' },
    });
  });

  it('is taken over from a process that died before it sent anything', async () => {
    void gateway().run(create({ reserve: () => new Promise(() => undefined) }));
    await settle();
    const other = gateway().run(create());
    await clock.advance(6_000);
    expect(await other).toEqual({ made: { operationId: 'operation 1' } });
  });

  it('is unknown, not taken over, from a process that died after it sent', async () => {
    void gateway().run(create({ send: () => new Promise(() => undefined) }));
    await settle();
    const other = reasonOf(gateway().run(create()));
    await clock.advance(21_000);
    expect(await other).toBe('outcome_unknown');
    expect(sent).toBe(1);
  });

  it('heals from unknown when the response comes late after all', async () => {
    const send = async () => {
      await after(30_000);
      return { operationId: 'late' };
    };
    const first = gateway().run(create({ send }));
    await settle();
    const second = reasonOf(gateway().run(create()));
    await clock.advance(25_000);
    expect(await second).toBe('outcome_unknown');
    await clock.advance(10_000);
    expect(await first).toEqual({ made: { operationId: 'late' } });
    expect(await gateway().run(create())).toEqual({ replayOf: 'late', hasJoined: false });
    expect(sent).toBe(1);
  });

  it('does not send when it lost its reservation while the limits were asked', async () => {
    const stalled = gateway().run(
      create({
        reserve: async () => {
          await after(8_000);
        },
      }),
    );
    await settle();
    const other = gateway().run(create());
    await clock.advance(9_000);
    expect(await other).toEqual({ made: { operationId: 'operation 1' } });
    expect(await stalled).toEqual({ replayOf: 'operation 1', hasJoined: false });
    expect(sent).toBe(1);
  });

  it('is refused without spending when the store does not respond', async () => {
    const down = () => Promise.reject(new GatewayError('store_unavailable', 'down'));
    const error = await gateway(down)
      .run(create())
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ reason: 'store_unavailable', outcome: 'not_started' });
    expect(sent).toBe(0);
  });

  it('keeps its response when the store fails behind the upstream, and writes it down later', async () => {
    let isDown = false;
    const flaky: Parameters<typeof simulatedStore>[1] = async (work) => {
      if (isDown) throw new GatewayError('store_unavailable', 'down');
      return work();
    };
    const send = async () => {
      isDown = true;
      return { operationId: 'paid' };
    };
    expect(await gateway(flaky).run(create({ send }))).toEqual({ made: { operationId: 'paid' } });
    isDown = false;
    await clock.advance(1_000);
    expect(await gateway().run(create())).toEqual({ replayOf: 'paid', hasJoined: false });
  });

  it('is unknown to a request that joined it when the store then fails', async () => {
    let isDown = false;
    const flaky: Parameters<typeof simulatedStore>[1] = async (work) => {
      if (isDown) throw new GatewayError('store_unavailable', 'down');
      return work();
    };
    void gateway().run(create({ send: () => new Promise(() => undefined) }));
    await settle();
    const joined = gateway(flaky)
      .run(create())
      .catch((thrown: unknown) => thrown);
    await settle();
    isDown = true;
    await clock.advance(1_000);
    expect(await joined).toMatchObject({ reason: 'store_unavailable', outcome: 'unknown' });
  });

  it('gives a key that ran out a greater fence than it ever had', async () => {
    await gateway().run(create());
    const before = state.read('key')?.fence ?? 0;
    await clock.advance(73 * 3_600_000);
    expect(state.read('key')).toBeUndefined();
    await gateway().run(create());
    expect(state.read('key')?.fence).toBeGreaterThan(before);
  });

  describe('when the store’s clock steps', () => {
    it.each([-3_600_000, -30_000, 3_600_000])(
      'is taken over from a dead process as soon as without the step of %i ms',
      async (stepMs) => {
        void gateway().run(create({ reserve: () => new Promise(() => undefined) }));
        await settle();
        clock.stepWall(stepMs);
        const other = gateway().run(create());
        await clock.advance(6_000);
        expect(await other).toEqual({ made: { operationId: 'operation 1' } });
      },
    );

    it('is unknown as soon as without the step, when it died after it sent', async () => {
      void gateway().run(create({ send: () => new Promise(() => undefined) }));
      await settle();
      clock.stepWall(-3_600_000);
      const other = reasonOf(gateway().run(create()));
      await clock.advance(21_000);
      expect(await other).toBe('outcome_unknown');
      expect(sent).toBe(1);
    });

    it('is joined in the process that carries it out, however far the clock jumps ahead', async () => {
      const one = gateway();
      const send = async () => {
        await after(3_000);
        return { operationId: 'slow' };
      };
      const first = one.run(create({ send }));
      await settle();
      clock.stepWall(3_600_000);
      const second = one.run(create());
      await clock.advance(10_000);
      expect(await first).toEqual({ made: { operationId: 'slow' } });
      expect(await second).toEqual({ replayOf: 'slow', hasJoined: true });
    });
  });
});
