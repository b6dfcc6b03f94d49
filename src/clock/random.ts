/** Random numbers, as the code that needs them takes them from its surroundings. */
export interface Random {
  /** A number in [0, 1). */
  fraction(): number;
  /** A seed for the upstream, 1 … 2^53 − 1: exact in a double, and never "draw one". */
  seed(): bigint;
}
