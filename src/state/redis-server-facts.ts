import type { Durability } from './state-store.ts';

/** The facts of a Redis or Valkey server that decide whether records are safe there. */
export interface ServerFacts {
  /** Why records are not safe there, in words for the operator; undefined when they are. */
  readonly objection: string | undefined;
  readonly durability: Durability;
  /** What to wait for after a durable write: an fsync of the server's log, a replica, or nothing. */
  readonly wait: 'log' | 'replica' | 'none';
}

const versionMin = 7;

/**
 * The facts in the server's own report.
 *
 * @param info Text of INFO, all sections.
 * @param appendfsync Value of that setting; undefined where the server does not reveal it (managed ones often don't).
 */
export function serverFacts(info: string, appendfsync: string | undefined): ServerFacts {
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
  const [major = 0, minor = 0] = field('redis_version').split('.').map(Number);
  const evicts =
    field('maxmemory') !== '0' && !['', 'noeviction'].includes(field('maxmemory_policy'));
  return {
    objection:
      objectionTo({ major, version: field('redis_version'), role: field('role') }) ??
      (evicts
        ? `it may evict records to make room: set maxmemory-policy to noeviction, not ${field('maxmemory_policy')}`
        : undefined),
    ...durabilityOf({
      keepsLog: field('aof_enabled') === '1',
      appendfsync,
      offersWait: major > 7 || (major === 7 && minor >= 2),
      replicas: info.match(/^slave\d+:.*state=online/gm)?.length ?? 0,
    }),
  };
}

function objectionTo(server: {
  readonly major: number;
  readonly version: string;
  readonly role: string;
}): string | undefined {
  // True also for NaN, when the version can't be read.
  if (!(server.major >= versionMin)) {
    return `its version is ${server.version}: ${versionMin} or later is needed`;
  }
  return server.role === 'slave' ? 'it is a replica, which accepts no writes' : undefined;
}

function durabilityOf(server: {
  readonly keepsLog: boolean;
  readonly appendfsync: string | undefined;
  readonly offersWait: boolean;
  readonly replicas: number;
}): Pick<ServerFacts, 'durability' | 'wait'> {
  if (server.keepsLog && server.appendfsync === 'always') {
    return { durability: 'machine', wait: 'none' };
  }
  // With "no" the server never syncs by itself, and a wait would never end.
  if (server.keepsLog && server.offersWait && server.appendfsync !== 'no') {
    return { durability: 'machine', wait: 'log' };
  }
  if (server.replicas > 0) return { durability: 'server', wait: 'replica' };
  return { durability: server.keepsLog ? 'server' : 'gateway', wait: 'none' };
}
