import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { openDrawing } from '../../../src/renderers/local/drawing.ts';

const request = { prompt: 'a cat', negative: '', seed: 1n, width: 512, height: 512 };

afterEach(() => vi.unstubAllEnvs());

it('a drawing that failed for want of a folder for its fonts works once there is one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'drawing-library-'));
  vi.stubEnv('TMPDIR', join(folder, 'missing'));
  const drawing = openDrawing();
  await expect(drawing.draw(request, 'image/png').image).rejects.toThrow(/ENOENT/);
  vi.stubEnv('TMPDIR', folder);
  expect((await drawing.draw(request, 'image/png').image).length).toBeGreaterThan(100);
  await drawing.close();
  await rm(folder, { recursive: true });
});
