import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The result of one run, for one promise in docs/reliability.md. */
export interface Figure {
  /** `P6`; where several runs show parts of one promise, each has a part of its own. */
  readonly promise: `P${number}`;
  /** Names one of several runs for the same promise, in kebab-case. */
  readonly part?: string;
  /** The promise, in a few words. */
  readonly says: string;
  /** The figure that was promised. */
  readonly goal: string;
  /** The figure that was measured, with the size of the run: counts, durations. */
  readonly seen: string;
  readonly isMet: boolean;
  /** The command that repeats the run. */
  readonly by: string;
}

const folder = fileURLToPath(new URL('../../docs/figures/', import.meta.url));

/**
 * Prints a figure. With RECORD_FIGURES=true it is also written to docs/figures/,
 * from which `npm run generate` makes docs/reliability.md. A run that is shorter
 * than what `by` names must not be recorded.
 */
export function recordFigure(figure: Figure): void {
  const { promise, part, goal, seen, isMet } = figure;
  process.stdout.write(`${promise} ${isMet ? 'met' : 'MISSED'}: ${seen} (promised: ${goal})\n`);
  if (process.env['RECORD_FIGURES'] !== 'true') return;
  mkdirSync(folder, { recursive: true });
  const number = promise.slice(1).padStart(2, '0');
  const name = part === undefined ? `p${number}` : `p${number}-${part}`;
  const kept = { ...figure, node: process.version, on: new Date().toISOString().slice(0, 10) };
  writeFileSync(`${folder}${name}.json`, `${JSON.stringify(kept, undefined, 2)}\n`);
}
