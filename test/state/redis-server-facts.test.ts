import { describe, expect, it } from 'vitest';
import { serverFacts } from '../../src/state/redis-server-facts.ts';

/** The lines of INFO that matter, as a usual server sends them. */
function info(changes: Readonly<Record<string, string>> = {}, more = ''): string {
  const fields = {
    redis_version: '7.0.15',
    maxmemory: '0',
    maxmemory_policy: 'noeviction',
    aof_enabled: '1',
    role: 'master',
    connected_slaves: '0',
    ...changes,
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}:${value}`);
  return `# Server\r\n${lines.join('\r\n')}\r\n${more}`;
}

describe('a server is refused', () => {
  it.each([
    ['that is too old', { redis_version: '6.2.14' }, 'its version is 6.2.14: 7 or later is needed'],
    ['that sends no version', { redis_version: '' }, '7 or later is needed'],
    [
      'that evicts',
      { maxmemory: '1000000', maxmemory_policy: 'volatile-ttl' },
      'set maxmemory-policy to noeviction, not volatile-ttl',
    ],
    ['that is a replica', { role: 'slave' }, 'it is a replica'],
  ])('%s', (_, changes, words) => {
    expect(serverFacts(info(changes), 'everysec').objection).toContain(words);
  });

  it('not for an eviction policy that never applies because there is no limit', () => {
    const facts = serverFacts(info({ maxmemory_policy: 'allkeys-lru' }), 'everysec');
    expect(facts.objection).toBeUndefined();
  });
});

describe('a durable write takes', () => {
  const valkey = { redis_version: '7.2.4', valkey_version: '8.1.3' };
  const online = 'slave0:ip=10.0.0.2,port=6379,state=online,offset=1,lag=0\r\n';
  const syncing = 'slave0:ip=10.0.0.2,port=6379,state=wait_bgsave,offset=0,lag=0\r\n';
  it.each([
    ['a reply, where each write is synced', info(), 'always', 'machine', 'none'],
    ['a wait for the log, from 7.2 on', info(valkey), 'everysec', 'machine', 'log'],
    ['the same where the setting is not revealed', info(valkey), undefined, 'machine', 'log'],
    ['a reply, where the log is never synced', info(valkey), 'no', 'server', 'none'],
    ['a reply before 7.2', info(), 'everysec', 'server', 'none'],
    ['a wait for a replica', info({ aof_enabled: '0' }, online), 'everysec', 'server', 'replica'],
    ['nothing without both', info({ aof_enabled: '0' }, syncing), 'everysec', 'gateway', 'none'],
  ])('%s', (_, text, appendfsync, durability, wait) => {
    expect(serverFacts(text, appendfsync)).toEqual({ objection: undefined, durability, wait });
  });
});
