import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';

/** What a caller was told about one key, in order. */
export type Told =
  | { readonly kind: 'accepted'; readonly id: string }
  | { readonly kind: 'not_started'; readonly code: string }
  | { readonly kind: 'unknown'; readonly code: string }
  /** The connection broke, or nobody listened. */
  | { readonly kind: 'nothing' };

/** The upstream with its bills, and what callers were told: what has to agree in the end. */
export class Books {
  readonly emulator: Emulator;
  /** Operations that were billed, by prompt; every key has a prompt of its own. */
  readonly #billed: ReadonlyMap<string, readonly string[]>;
  readonly #told = new Map<string, Told[]>();

  private constructor(emulator: Emulator, billed: ReadonlyMap<string, readonly string[]>) {
    this.emulator = emulator;
    this.#billed = billed;
  }

  static async open(options: { readonly latencyMs: number }): Promise<Books> {
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
    return new Books(emulator, billed);
  }

  tell(key: string, told: Told): void {
    this.#told.set(key, [...(this.#told.get(key) ?? []), told]);
  }

  keys(): readonly string[] {
    return [...this.#told.keys()];
  }

  /** Keys with the ids their callers hold. */
  ids(): ReadonlyMap<string, string> {
    const ids = new Map<string, string>();
    for (const [key, told] of this.#told) {
      for (const answer of told) if (answer.kind === 'accepted') ids.set(key, answer.id);
    }
    return ids;
  }

  /** Everything that does not agree, in words. */
  faults(): readonly string[] {
    return [...this.#told].flatMap(([key, told]) =>
      faultsOf(told, this.#billed.get(promptOf(key))?.length ?? 0).map(
        (fault) => `${key}: ${fault} (told ${told.map(inWords).join(', ')})`,
      ),
    );
  }

  figures(): Record<string, number> {
    const all = [...this.#told];
    const billedTimes = (key: string) => this.#billed.get(promptOf(key))?.length ?? 0;
    const last = (kind: Told['kind']) => all.filter(([, told]) => told.at(-1)?.kind === kind);
    return {
      keys: all.length,
      answers: all.reduce((sum, [, told]) => sum + told.length, 0),
      'connections lost': all.flatMap(([, told]) => told.filter(({ kind }) => kind === 'nothing'))
        .length,
      accepted: last('accepted').length,
      'unknown, and paid': last('unknown').filter(([key]) => billedTimes(key) === 1).length,
      'unknown, not paid': last('unknown').filter(([key]) => billedTimes(key) === 0).length,
      'double spends': all.filter(([key]) => billedTimes(key) > 1).length,
    };
  }
}

/** The prompt that goes with a key. */
export function promptOf(key: string): string {
  return `a red cat, number ${key}`;
}

function faultsOf(told: readonly Told[], billed: number): readonly string[] {
  const faults: string[] = [];
  const ids = new Set(told.flatMap((answer) => (answer.kind === 'accepted' ? [answer.id] : [])));
  if (billed > 1) faults.push(`paid ${billed} times`);
  if (ids.size > 1) faults.push('stands for more than one operation');
  if (ids.size > 0 && billed === 0) faults.push('accepted, and never billed');
  if (ids.size > 0 && told.at(-1)?.kind !== 'accepted')
    faults.push('was accepted, and then forgotten');
  if (billed > 0 && told.every(({ kind }) => kind === 'not_started')) {
    faults.push('paid, and told that nothing was spent');
  }
  return faults;
}

function inWords(told: Told): string {
  if (told.kind === 'accepted') return told.id.slice(-6);
  return told.kind === 'nothing' ? 'nothing' : `${told.kind} (${told.code})`;
}
