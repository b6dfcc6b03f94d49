import type { StateStore } from './state-store.ts';

/** Longest time that a call of the former store may still take. */
const graceMs = 5_000;

/** A store that can be replaced by another one while it is used. Calls under way end on the former one. */
export class ReplaceableStore implements StateStore {
  #store: StateStore;
  readonly #former = new Set<StateStore>();

  constructor(store: StateStore) {
    this.#store = store;
  }

  replace(store: StateStore): void {
    const former = this.#store;
    this.#store = store;
    this.#former.add(former);
    setTimeout(() => void this.#closeFormer(former), graceMs).unref();
  }

  get isShared(): boolean {
    return this.#store.isShared;
  }

  get durability(): StateStore['durability'] {
    return this.#store.durability;
  }

  swapRecord(...args: Parameters<StateStore['swapRecord']>): ReturnType<StateStore['swapRecord']> {
    return this.#store.swapRecord(...args);
  }

  takeClaims(...args: Parameters<StateStore['takeClaims']>): ReturnType<StateStore['takeClaims']> {
    return this.#store.takeClaims(...args);
  }

  returnClaims(
    ...args: Parameters<StateStore['returnClaims']>
  ): ReturnType<StateStore['returnClaims']> {
    return this.#store.returnClaims(...args);
  }

  announce(...args: Parameters<StateStore['announce']>): ReturnType<StateStore['announce']> {
    return this.#store.announce(...args);
  }

  endAnnouncement(
    ...args: Parameters<StateStore['endAnnouncement']>
  ): ReturnType<StateStore['endAnnouncement']> {
    return this.#store.endAnnouncement(...args);
  }

  async close(): Promise<void> {
    for (const former of this.#former) await this.#closeFormer(former);
    await this.#store.close();
  }

  async #closeFormer(store: StateStore): Promise<void> {
    if (this.#former.delete(store)) await store.close().catch(() => undefined);
  }
}
