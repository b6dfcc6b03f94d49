import type { Arbitrary } from 'fast-check';

/** One input of the gateway that is tried with generated values. */
export interface FuzzTarget {
  /** Names the folder of its kept inputs, too. */
  readonly name: string;
  /** Its share of the inputs of a run. */
  readonly share: number;
  /** Whether it measures time itself, by instruments that keep the loop busy. */
  readonly measuresTime?: boolean;
  readonly open: () => Promise<OpenTarget>;
}

export interface OpenTarget {
  /** Every input is a JSON value, so that it can be kept as a file. Bytes are texts of latin1. */
  readonly inputs: Arbitrary<unknown>;
  /** Throws where the input shows a broken promise. */
  check(input: unknown): Promise<void> | void;
  close(): Promise<void>;
}

/** Joins the inputs and their check, which agree on the input's type. */
export function openTarget<Input>(parts: {
  readonly inputs: Arbitrary<Input>;
  readonly check: (input: Input) => Promise<void> | void;
  readonly close?: () => Promise<void>;
}): OpenTarget {
  return {
    inputs: parts.inputs,
    check: (input) => parts.check(input as Input),
    close: parts.close ?? (() => Promise.resolve()),
  };
}

/** The failure of a promise for one input. */
export class BrokenPromiseError extends Error {
  override readonly name = 'BrokenPromiseError';
}

/** @throws BrokenPromiseError unless it holds. */
export function promise(holds: boolean, says: string | (() => string)): asserts holds {
  if (!holds) throw new BrokenPromiseError(typeof says === 'string' ? says : says());
}
