import fc from 'fast-check';
import type { FuzzTarget, OpenTarget } from './fuzz-target.ts';
import { StallWatch } from './stall-watch.ts';

/** An input that breaks a promise, made as small as possible. */
export interface Finding {
  readonly target: string;
  readonly input: unknown;
  readonly says: string;
  /** The command that shows it again. */
  readonly again: string;
}

export interface TargetRun {
  readonly target: string;
  readonly inputs: number;
  readonly seconds: number;
  readonly worstStallMs: number;
}

/** Inputs of all targets together in one round. */
export const roundInputs = 10_000;

/** One target that stays open over many rounds. */
export class FuzzRun {
  readonly target: FuzzTarget;
  readonly #open: OpenTarget;
  readonly #stalls = new StallWatch();
  #inputs = 0;
  #ms = 0;

  private constructor(target: FuzzTarget, open: OpenTarget) {
    this.target = target;
    this.#open = open;
  }

  static async open(target: FuzzTarget): Promise<FuzzRun> {
    return new FuzzRun(target, await target.open());
  }

  get figures(): TargetRun {
    return {
      target: this.target.name,
      inputs: this.#inputs,
      seconds: this.#ms / 1000,
      worstStallMs: this.#stalls.worstMs,
    };
  }

  /** Tries `inputs` inputs. The same seed makes the same ones. */
  async round(seed: number, inputs: number, path?: string): Promise<Finding | undefined> {
    const startMs = performance.now();
    const property = fc.asyncProperty(this.#open.inputs, (input) => this.#check(input));
    const result = await fc.check(property, {
      seed,
      numRuns: inputs,
      ...(path !== undefined && { path }),
      // Makes a finding small in bounded time.
      interruptAfterTimeLimit: 600_000,
    });
    this.#ms += performance.now() - startMs;
    this.#inputs += result.numRuns;
    if (!result.failed) return undefined;
    const { counterexample, counterexamplePath, errorInstance } = result;
    const name = this.target.name;
    return {
      target: name,
      input: counterexample?.[0],
      says: wordsOf(errorInstance),
      again: `npm run fuzz -- --target ${name} --seed ${seed} --path ${counterexamplePath ?? ''}`,
    };
  }

  /** @throws whatever the input shows. */
  check(input: unknown): Promise<void> {
    return this.#check(input);
  }

  close(): Promise<void> {
    return this.#open.close();
  }

  async #check(input: unknown): Promise<void> {
    const check = () => this.#open.check(input);
    await (this.target.measuresTime === true ? check() : this.#stalls.around(check));
    const [stray] = strayErrors.splice(0);
    if (stray !== undefined) throw stray;
  }
}

/** Errors that were not caught while an input was checked. */
const strayErrors: unknown[] = [];

/** From now on an uncaught error belongs to the current input and does not end this process. */
export function collectStrayErrors(): void {
  process.on('uncaughtException', (error) => strayErrors.push(error));
  process.on('unhandledRejection', (reason) => strayErrors.push(reason));
}

/** A seed of its own for each round and target. */
export function roundSeed(seed: number, round: number, target: string): number {
  let mixed = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(round + 1, 0xc2b2ae35);
  for (const character of target) mixed = Math.imul(mixed ^ character.charCodeAt(0), 0x01000193);
  return (mixed ^ (mixed >>> 15)) >>> 1;
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isOwn = error.name === 'BrokenPromiseError';
  return isOwn ? error.message : (error.stack ?? error.message);
}
