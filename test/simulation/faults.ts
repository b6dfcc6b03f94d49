import type { Chance } from './chance.ts';

/** The faults of a world: how probable each is at one step. */
export interface Faults {
  /** A gateway dies at a step: before it is taken, while it is under way, or with its result. */
  readonly crash: number;
  /** A gateway stands still, as under a long garbage collection or a machine that is moved. */
  readonly pause: number;
  /** A message is lost on its way there or back. */
  readonly loss: number;
  /** A message takes long, and may arrive after its sender gave up. */
  readonly delay: number;
  /** The upstream refuses a request outright. */
  readonly refusal: number;
  /** The store's server dies and comes back without what was not durable. */
  readonly storeCrash: number;
  /** The store's clock jumps. */
  readonly storeClockJump: number;
}

const none = 0;

/** The faults of one world: some have none, some have one kind only, some have many of all kinds. */
export function drawnFaults(chance: Chance): Faults {
  const character = chance.pick(['calm', 'single', 'mixed', 'mixed', 'terrible'] as const);
  const some = () =>
    character === 'terrible' ? chance.spread(0.02, 0.25) : chance.spread(0.002, 0.05);
  const names = [
    'crash',
    'pause',
    'loss',
    'delay',
    'refusal',
    'storeCrash',
    'storeClockJump',
  ] as const;
  const single = chance.pick(names);
  const drawn = names.map((name) => {
    if (character === 'calm') return [name, none] as const;
    if (character === 'single')
      return [name, name === single ? chance.spread(0.02, 0.4) : none] as const;
    return [name, chance.often(0.7) ? some() : none] as const;
  });
  return Object.fromEntries(drawn) as unknown as Faults;
}

/** A world in which nothing goes wrong. */
export const noFaults: Faults = {
  ...{ crash: none, pause: none, loss: none, delay: none, refusal: none },
  ...{ storeCrash: none, storeClockJump: none },
};
