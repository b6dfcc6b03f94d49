import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  tokenSourceFromSettings,
  type TokenSource,
} from '../../../src/upstream/credentials/token-source.ts';
import * as raw from '../../support/raw-responses.ts';
import { failureOf, useRawUpstream } from '../../support/upstream-client.ts';

const fixture = useRawUpstream();
let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'token-'));
  path = join(directory, 'token');
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** The credential that the upstream receives. */
async function sentWith(tokenSource: TokenSource): Promise<string | undefined> {
  fixture.upstream.on('Get', raw.status(5));
  await failureOf(fixture.open({ tokenSource }).getOperation('x'));
  return fixture.upstream.calls.at(-1)?.headers.authorization;
}

describe('a credential', () => {
  it.each([
    [{ apiKey: 'AQVN-key' }, 'Api-Key AQVN-key'],
    [{ apiKey: 'api-KEY AQVN-key' }, 'Api-Key AQVN-key'],
    [{ iamToken: 't1.9euelZ' }, 'Bearer t1.9euelZ'],
    [{ iamToken: ' bearer  t1.9euelZ\n' }, 'Bearer t1.9euelZ'],
    [{}, undefined],
  ])('of %j is sent as %j', async (settings, authorization) => {
    expect(await sentWith(await tokenSourceFromSettings(settings))).toBe(authorization);
  });

  it.each([
    ['apiKeyFile', 'Api-Key AQVN-key'],
    ['iamTokenFile', 'Bearer AQVN-key'],
  ])('from %s is sent without the line end of the file', async (setting, authorization) => {
    await writeFile(path, 'AQVN-key\r\n');
    expect(await sentWith(await tokenSourceFromSettings({ [setting]: path }))).toBe(authorization);
  });

  it.each([
    ['with a line end inside', 'canary\nsecond'],
    ['with a letter that is not ASCII', 'canary-ключ'],
    ['of another scheme', 'Basic canary'],
    ['that is empty', ' \n'],
  ])('%s is refused at the start, by its setting and without its value', async (_, text) => {
    await writeFile(path, text);
    for (const settings of [{ apiKey: text }, { apiKeyFile: path }]) {
      const failure = await tokenSourceFromSettings(settings).then(String, String);
      expect(failure).toMatch(/^Error: UPSTREAM_API_KEY(_FILE)?: must hold one credential/);
      expect(failure).not.toContain('canary');
    }
  });

  it('from a missing file is refused at the start, without its path', async () => {
    const failure = await tokenSourceFromSettings({ iamTokenFile: path }).then(String, String);
    expect(failure).toBe('Error: UPSTREAM_IAM_TOKEN_FILE: names a file that does not exist');
  });

  it('from a file is read again when it changes, at most once a second', async () => {
    let nowMs = 0;
    await writeFile(path, 'first');
    const source = await tokenSourceFromSettings({ iamTokenFile: path }, { nowMs: () => nowMs });
    await replaceFile('second-one');
    expect(await source.authorization()).toBe('Bearer first');
    nowMs = 1_000;
    expect(await source.authorization()).toBe('Bearer second-one');
  });

  it('from a file stays in use while the file is missing or empty', async () => {
    let nowMs = 0;
    await writeFile(path, 'first');
    const source = await tokenSourceFromSettings({ iamTokenFile: path }, { nowMs: () => nowMs });
    await rm(path);
    nowMs += 1_000;
    expect(await source.authorization()).toBe('Bearer first');
    await writeFile(path, '');
    nowMs += 1_000;
    expect(await source.authorization()).toBe('Bearer first');
    await replaceFile('second');
    nowMs += 1_000;
    expect(await source.authorization()).toBe('Bearer second');
  });
});

/** Replaces the file in one step, as a secret store does. */
async function replaceFile(text: string): Promise<void> {
  await writeFile(`${path}.next`, text);
  await rename(`${path}.next`, path);
}
