import type { FastifyInstance } from 'fastify';
import type { Log } from '../observability/log.ts';
import type { Core } from '../operations/core.ts';
import { Drain } from './drain.ts';
import type { Clock } from '../clock/clock.ts';
import { Connections } from './connections.ts';

/** A part of the gateway that ends. */
export interface Closable {
  close(): Promise<void> | void;
}

export interface GatewayDrainOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly server: FastifyInstance;
  readonly core: Core;
  /**
   * What requests need, in the order in which it is closed. The first one ends
   * calls to the upstream; what becomes of creates is written down after it.
   */
  readonly parts: readonly [upstream: Closable, ...others: Closable[]];
}

/** The drain of a whole gateway: top down, what takes requests ends before what they need. */
export function openDrain({ clock, log, server, core, parts }: GatewayDrainOptions): Drain {
  const { creates, operations, quotaShare } = core;
  const connections = new Connections(server.server, { clock, emptied: () => drain.emptied() });
  let withdrawn: Promise<void> | undefined;
  const drain = new Drain({
    clock,
    parts: {
      leave: () => connections.askToClose(),
      async stopTaking() {
        await connections.stopListening();
        creates.close();
        operations.close();
        withdrawn = quotaShare.close();
      },
      sweep: (idleMs) => connections.sweep(idleMs),
      async settle() {
        if (connections.size > 0) {
          log.warn(
            { connections: connections.size },
            'the time is over for who is connected still',
          );
        }
        connections.closeAll();
        await creates.ended();
      },
      async close() {
        const [upstream, ...others] = parts;
        await server.close();
        await withdrawn;
        await upstream.close();
        await creates.ended();
        for (const part of others) await part.close();
      },
    },
    onFailure: (phase, error) => {
      const cause = error instanceof Error ? error.message : undefined;
      log.error({ phase, cause }, 'a step of the drain failed');
    },
  });
  return drain;
}
