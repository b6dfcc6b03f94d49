import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { root } from './source-file.ts';

test('every generated file is what its source makes now', { timeout: 60_000 }, () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['scripts/generate.mjs', '--check'],
    { cwd: root, encoding: 'utf8' },
  );
  expect({ status, stdout, stderr }).toStrictEqual({ status: 0, stdout: '', stderr: '' });
});
