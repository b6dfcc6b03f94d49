import { afterEach, expect, it } from 'vitest';
import { GatewayProgram } from '../beside/gateway-program.ts';

/** Its loop is late most of the time, as that of a process which compiles its code on a busy machine. */
const lateLoop = `setInterval(() => {
  const untilMs = performance.now() + 200;
  while (performance.now() < untilMs);
}, 40);`;

let program: GatewayProgram | undefined;
afterEach(() => program?.remove());

// The machine may be too busy to ask within the first seconds: then nothing is shown.
it(
  'a gateway that has just started takes creates although its loop is late, and sheds them later',
  { retry: 3, timeout: 120_000 },
  async () => {
    program = await GatewayProgram.start({
      environment: { LOOP_DELAY_MS_MAX: '100' },
      nodeArguments: ['--import', `data:text/javascript,${encodeURIComponent(lateLoop)}`],
    });
    const started = program;
    const first = await Promise.all([1, 2, 3].map(() => started.create()));
    expect(first.map(({ status }) => status)).toEqual([202, 202, 202]);
    expect(await program.statusOf('/readyz')).toBe(200);
    await expect
      .poll(async () => (await program?.create())?.body.code, { timeout: 60_000 })
      .toBe('overloaded');
  },
);
