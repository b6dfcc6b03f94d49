import type { StateStore } from './state-store.ts';

/** The calls of a store that take time, by method name. */
export type StoreCall = Exclude<keyof StateStore, 'isShared' | 'durability' | 'close'>;

/** An observer of every call's end. It must be quick and may not throw. */
export interface StoreObserver {
  callEnded(call: {
    readonly call: StoreCall;
    readonly isFailed: boolean;
    readonly durationMs: number;
  }): void;
}

/** A store that reports how long each call of `store` takes. */
export function measuredStore(store: StateStore, observer: StoreObserver): StateStore {
  const watch = async <Result>(call: StoreCall, run: () => Promise<Result>): Promise<Result> => {
    const startMs = performance.now();
    let isFailed = true;
    try {
      const value = await run();
      isFailed = false;
      return value;
    } finally {
      observer.callEnded({ call, isFailed, durationMs: performance.now() - startMs });
    }
  };
  return {
    get isShared() {
      return store.isShared;
    },
    get durability() {
      return store.durability;
    },
    swapRecord: (key, expected, next) =>
      watch('swapRecord', () => store.swapRecord(key, expected, next)),
    takeClaims: (claims) => watch('takeClaims', () => store.takeClaims(claims)),
    returnClaims: (claims) => watch('returnClaims', () => store.returnClaims(claims)),
    announce: (gatewayId, aliveForMs) =>
      watch('announce', () => store.announce(gatewayId, aliveForMs)),
    endAnnouncement: (gatewayId) =>
      watch('endAnnouncement', () => store.endAnnouncement(gatewayId)),
    close: () => store.close(),
  };
}
