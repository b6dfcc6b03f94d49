/** A mistake that a change could bring in, and the test that must fail on it. */
export interface Mutation {
  readonly name: string;
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly right: string;
  readonly wrong: string;
  /** A test file, or `simulate` and the number of histories. */
  readonly noticedBy: string;
}
