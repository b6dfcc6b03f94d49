import { spawnSync } from 'node:child_process';
import { chromium, type Browser } from 'playwright-core';

const programs = ['chromium', 'chromium-browser', 'google-chrome'];

/** The system's browser, started with these arguments. @throws Error that says how to install one when there is none. */
export async function launchChromium(extraArgs: readonly string[] = []): Promise<Browser> {
  const found = programs.find((name) => spawnSync(name, ['--version']).status === 0);
  if (found === undefined) {
    throw new Error(
      `None of ${programs.join(', ')} is installed. Install one from the system's packages, ` +
        'for example: apt-get install -y chromium',
    );
  }
  const executablePath = spawnSync('which', [found], { encoding: 'utf8' }).stdout.trim();
  // Root, as in a container, has no sandbox; the pages are our own.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath, args: [...args, ...extraArgs] });
}
