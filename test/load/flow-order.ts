/** The requests of one kind. */
export interface Stream {
  readonly name: string;
  /** Requests as they are sent, used in turn. */
  readonly requests: readonly string[];
  /** How many are sent per second, for each phase. In a closed loop only the proportions count. */
  readonly perSecond: readonly number[];
}

/** What the parent process asks of a flow. */
export interface FlowOrder {
  readonly origins: readonly string[];
  readonly streams: readonly Stream[];
  readonly phaseSeconds: readonly number[];
  /** Most connections at once; a request waits when none is free. */
  readonly connectionsMax: number;
  /** Present: a closed loop of so many callers, each of which sends when it has a response; shows the capacity. */
  readonly closedLoop?: number;
}
