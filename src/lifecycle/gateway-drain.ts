import type { FastifyInstance } from 'fastify';
import type { Log } from '../observability/log.ts';
import type { Core } from '../operations/core.ts';
import { Drain } from './drain.ts';
import type { Clock } from '../clock/clock.ts';
import { Connections } from './connections.ts';

/** A part of the gateway that can be closed. */
export interface Closable {
  close(): Promise<void> | void;
}

export interface GatewayDrainOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly server: FastifyInstance;
  readonly core: Core;
  /** Called when a phase begins: the first, and the one from which on no create comes; with the time until everything is to be closed. */
  readonly begun?: (phase: 'leaving' | 'finishing', leftMs: number) => void;
  /**
   * The parts that requests need, in closing order. The first ends calls to the
   * upstream; after it the outcomes of creates are recorded.
   */
  readonly parts: readonly [upstream: Closable, ...others: Closable[]];
}

/** The drain of a whole gateway, top down: what accepts requests ends before the parts they need. */
export function openDrain(options: GatewayDrainOptions): Drain {
  const { clock, log, server, core, parts, begun } = options;
  const { creates, operations, quotaShare } = core;
  const connections = new Connections(server.server, { clock, emptied: () => drain.emptied() });
  let quotaShareClosed: Promise<void> | undefined;
  const drain = new Drain({
    clock,
    parts: {
      leave() {
        connections.askToClose();
        begun?.('leaving', drain.leftMs);
      },
      async stopTaking() {
        await connections.stopListening();
        creates.close();
        operations.close();
        quotaShareClosed = quotaShare.close();
        begun?.('finishing', drain.leftMs);
      },
      sweep: (idleMs) => connections.sweep(idleMs),
      async settle() {
        if (connections.size > 0) {
          log.warn({ connections: connections.size }, 'connections cut at the drain limit');
        }
        connections.closeAll();
        await creates.ended();
      },
      async close() {
        const [upstream, ...others] = parts;
        await server.close();
        await quotaShareClosed;
        await upstream.close();
        await creates.ended();
        for (const part of others) await part.close();
      },
    },
    onFailure: (phase, error) => {
      const cause = error instanceof Error ? error.message : undefined;
      log.error({ phase, cause }, 'drain phase failed');
    },
  });
  return drain;
}
