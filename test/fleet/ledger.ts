import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { spendFindings } from '../support/spend-audit.ts';

/** What one response told a caller about its key. */
export type Outcome =
  | { readonly kind: 'accepted'; readonly id: string }
  | { readonly kind: 'not_started'; readonly code: string }
  | { readonly kind: 'unknown'; readonly code: string }
  /** The connection broke, or no gateway listened. */
  | { readonly kind: 'none' };

/** The upstream's bills and the outcomes that callers saw, which must agree in the end. */
export class Ledger {
  readonly emulator: Emulator;
  /** Billed operations by prompt; every key has its own prompt. */
  readonly #billed: ReadonlyMap<string, readonly string[]>;
  readonly #outcomes = new Map<string, Outcome[]>();

  private constructor(emulator: Emulator, billed: ReadonlyMap<string, readonly string[]>) {
    this.emulator = emulator;
    this.#billed = billed;
  }

  static async open(options: { readonly latencyMs: number }): Promise<Ledger> {
    const billed = new Map<string, string[]>();
    const emulator = await startEmulator({
      ...options,
      generationsPerMinuteMax: 1_000_000,
      generationsPerDayMax: 1_000_000,
      onBilled: ({ messages }, operationId) => {
        const prompt = messages[0]?.text ?? '';
        billed.set(prompt, [...(billed.get(prompt) ?? []), operationId]);
      },
    });
    return new Ledger(emulator, billed);
  }

  record(key: string, outcome: Outcome): void {
    this.#outcomes.set(key, [...(this.#outcomes.get(key) ?? []), outcome]);
  }

  keys(): readonly string[] {
    return [...this.#outcomes.keys()];
  }

  /** The ids that callers hold, by key. */
  ids(): ReadonlyMap<string, string> {
    const ids = new Map<string, string>();
    for (const [key, outcomes] of this.#outcomes) {
      for (const outcome of outcomes) if (outcome.kind === 'accepted') ids.set(key, outcome.id);
    }
    return ids;
  }

  /** Every disagreement between bills and outcomes, in words. */
  violations(): readonly string[] {
    return [...this.#outcomes].flatMap(([key, outcomes]) =>
      violationsOf(outcomes, this.#billed.get(promptOf(key))?.length ?? 0).map(
        (violation) => `${key}: ${violation} (seen ${outcomes.map(inWords).join(', ')})`,
      ),
    );
  }

  figures(): Record<string, number> {
    const all = [...this.#outcomes];
    const billedTimes = (key: string) => this.#billed.get(promptOf(key))?.length ?? 0;
    const last = (kind: Outcome['kind']) =>
      all.filter(([, outcomes]) => outcomes.at(-1)?.kind === kind);
    return {
      keys: all.length,
      responses: all.reduce((sum, [, outcomes]) => sum + outcomes.length, 0),
      'connections lost': all.flatMap(([, outcomes]) =>
        outcomes.filter(({ kind }) => kind === 'none'),
      ).length,
      accepted: last('accepted').length,
      'unknown, and paid': last('unknown').filter(([key]) => billedTimes(key) === 1).length,
      'unknown, not paid': last('unknown').filter(([key]) => billedTimes(key) === 0).length,
      'double spends': all.filter(([key]) => billedTimes(key) > 1).length,
    };
  }
}

/** The prompt of a key. */
export function promptOf(key: string): string {
  return `a red cat, number ${key}`;
}

function violationsOf(outcomes: readonly Outcome[], billedTimes: number): readonly string[] {
  const reports = outcomes.map(({ kind }) => kind);
  const operationIds = outcomes.flatMap((outcome) =>
    outcome.kind === 'accepted' ? [outcome.id] : [],
  );
  const violations = [...spendFindings({ reports, operationIds, billedTimes })];
  if (operationIds.length > 0 && reports.at(-1) !== 'accepted') {
    violations.push('was accepted, then forgotten');
  }
  return violations;
}

function inWords(outcome: Outcome): string {
  if (outcome.kind === 'accepted') return outcome.id.slice(-6);
  return outcome.kind === 'none' ? 'no response' : `${outcome.kind} (${outcome.code})`;
}
