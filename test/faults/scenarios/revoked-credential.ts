import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as raw from '../../support/raw-responses.ts';
import type { Scenario } from '../harness.ts';
import { until } from '../until.ts';

const keys = ['first-upstream-key-0001', 'second-upstream-key-0002'] as const;
const callsPerMinuteMax = 3;

/** The upstream stops accepting the gateway's key under load, and later the key file holds a new key. */
export const revokedCredential: Scenario = {
  name: 'revoked-credential',
  fact: 'a refused credential is rarely tried again, is reported as the gateway’s fault, and recovers',
  secondsMax: [90, 300],
  async run(harness) {
    const folder = await mkdtemp(join(tmpdir(), 'gateway-key-'));
    harness.closeLater(() => rm(folder, { recursive: true, force: true }));
    const keyFile = join(folder, 'key');
    await writeFile(keyFile, keys[0]);
    const upstream = await harness.upstream({ workMs: 500 });
    const gateway = await harness.gateway({
      UPSTREAM_ADDRESS: upstream.address,
      UPSTREAM_API_KEY_FILE: keyFile,
      FOLDER_ID: 'local',
      UPSTREAM_POLL_INTERVAL_MS: '200',
    });
    const callers = harness.callers(gateway, upstream, {
      createMsMax: 5_000,
      mayRefuse: [502],
      secrets: keys,
    });
    let accepted: string = keys[0];
    let refusals = 0;
    upstream.raw.guard = ({ authorization }) => {
      if (authorization === `Api-Key ${accepted}`) return undefined;
      refusals += 1;
      return raw.status(16, `Token ${authorization} is invalid or has expired.`);
    };
    const load = { goes: true, ids: [] as string[] };
    const looping = Array.from({ length: 6 }, async () => {
      while (load.goes) {
        const { id } = await callers.create();
        if (id !== undefined) load.ids.push(id);
        const read = load.ids.at(-1);
        if (read !== undefined) await callers.read(read, { waitMs: 200 });
        await sleep(20);
      }
    });
    await until('the load runs', () => load.ids.length > 20, { withinMs: 20_000 });

    accepted = keys[1];
    await until('a refusal', () => refusals > 0, { withinMs: 30_000 });
    // Calls in flight at the same time are refused together.
    await sleep(1_000);
    const atOnce = refusals;
    const revokedS = harness.isLong ? 60 : 3;
    await sleep(revokedS * 1_000);
    const tried = refusals - atOnce;
    harness.check(
      tried <= callsPerMinuteMax,
      `${tried} calls in ${revokedS} s after the first wave`,
    );
    const refused = callers.observations.creates.at(-1);
    harness.check(refused?.code === 'upstream_auth', `a create got ${refused?.code}`);

    await writeFile(keyFile, keys[1]);
    const newKeyMs = await until(
      'the new key is used',
      async () => (await callers.create()).reported === 'accepted',
      { withinMs: 30_000 },
    );
    let healedS = '';
    if (harness.isLong) {
      // The same key works again, without a new file.
      accepted = 'none';
      await until('a refusal', async () => (await callers.create()).code === 'upstream_auth', {
        withinMs: 30_000,
      });
      accepted = keys[1];
      const healedMs = await until(
        'the same key is tried again',
        async () => (await callers.create()).reported === 'accepted',
        { withinMs: 60_000, everyMs: 200 },
      );
      healedS = `, and the same key, accepted again, after ${(healedMs / 1000).toFixed(0)} s`;
    }
    load.goes = false;
    await Promise.all(looping);
    for (const id of load.ids.slice(-20)) await callers.finished(id, { withinMs: 20_000 });
    return `first wave ${atOnce} calls, then ${tried} in ${revokedS} s under load; a new key file healed after ${(newKeyMs / 1000).toFixed(1)} s${healedS}`;
  },
};
