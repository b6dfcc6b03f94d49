import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Sharp from 'sharp';
import { fontFolder } from './font-coverage.ts';

export type DrawingLibrary = typeof Sharp;

/** Not `import()`, which fails for good once it has failed: file descriptors may be free again. */
const requireModule = createRequire(import.meta.url);

let loading: Promise<DrawingLibrary> | undefined;

/**
 * The drawing library with fonts from npm, so that images are the same on a
 * machine without fonts. Loaded with the first call: it takes a tenth of a second
 * and 20 MB, which an unused emulator should not. FONTCONFIG_FILE, where the
 * operator sets it, has precedence.
 */
export function drawingLibrary(): Promise<DrawingLibrary> {
  loading ??= load().catch((error: unknown) => {
    // A full disk may have room again: the next drawing tries once more.
    loading = undefined;
    throw error;
  });
  return loading;
}

async function load(): Promise<DrawingLibrary> {
  const directory = await mkdtemp(join(tmpdir(), 'image-generation-emulator-'));
  const file = join(directory, 'fonts.conf');
  try {
    await writeFile(file, fontConfiguration(directory));
    process.env['FONTCONFIG_FILE'] ??= file;
    const sharp = requireModule('sharp') as DrawingLibrary;
    // Few images are drawn at a time: one thread each, and no cache.
    sharp.concurrency(1);
    sharp.cache(false);
    // A process reads the font configuration once, with its first text; the files
    // written here are not needed afterwards.
    const text = '<svg width="9" height="9"><text font-family="DejaVu Sans">a</text></svg>';
    await sharp(Buffer.from(text)).raw().toBuffer();
    return sharp;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function fontConfiguration(directory: string): string {
  return `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>${fontFolder()}</dir><cachedir>${join(directory, 'cache')}</cachedir></fontconfig>
`;
}
