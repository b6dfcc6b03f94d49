import { expect, it } from 'vitest';
import { dataScenarios } from '../beside/data-scenarios.ts';
import { logScenarios } from '../beside/log-scenarios.ts';
import { Stage } from '../beside/scenario.ts';

/** Those that any machine can show; the others are in `npm run test:beside`. */
const scenarios = [...logScenarios, ...dataScenarios].filter(({ needs }) => needs === undefined);

it.each(scenarios.map(({ name, run }) => [name, run] as const))(
  'the gateway lives when %s',
  { timeout: 300_000 },
  async (_, run) => {
    const stage = new Stage();
    try {
      await run(stage);
    } finally {
      await stage.close();
    }
    expect(stage.violations).toEqual([]);
  },
);
