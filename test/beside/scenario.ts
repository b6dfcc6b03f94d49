import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { GatewayProgram, type GatewayProgramOptions } from './gateway-program.ts';

/** What a scenario needs of the machine: the right to mount, or a program. */
export type Need = 'mount' | 'cc' | 'prlimit';

/** One thing beside the gateway that is full, read-only or broken. */
export interface Scenario {
  readonly name: string;
  readonly needs?: Need;
  /** @returns What does not hold, in words. */
  readonly run: (stage: Stage) => Promise<void>;
}

/** The surroundings of one scenario: its folder, its gateways, and what it has found. */
export class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), 'gateway-beside-stage-'));
  readonly violations: string[] = [];
  readonly #programs: GatewayProgram[] = [];
  readonly #mounts: string[] = [];
  readonly #files: number[] = [];
  readonly #emulators: Emulator[] = [];

  async start(options: GatewayProgramOptions = {}): Promise<GatewayProgram> {
    return this.#keep(await GatewayProgram.start(options));
  }

  async launch(options: GatewayProgramOptions = {}): Promise<GatewayProgram> {
    return this.#keep(await GatewayProgram.launch(options));
  }

  /** Settings that make images elsewhere, so that only what the gateway itself keeps is in its data folder. */
  async imagesElsewhere(): Promise<{ readonly UPSTREAM_ADDRESS: string }> {
    const emulator = await startEmulator({ latencyMs: 100 });
    this.#emulators.push(emulator);
    return { UPSTREAM_ADDRESS: emulator.address };
  }

  /** A file to write the log or standard error to. */
  file(path: string, flags = 'a'): number {
    const file = openSync(path, flags);
    this.#files.push(file);
    return file;
  }

  /** Checks that what was seen is what is right. */
  check(what: string, seen: unknown, right: unknown): void {
    const [a, b] = [JSON.stringify(seen), JSON.stringify(right)];
    if (a !== b) this.violations.push(`${what}: ${a}, not ${b}`);
  }

  /** Checks a fact. */
  holds(what: string, isTrue: boolean): void {
    if (!isTrue) this.violations.push(what);
  }

  /** A file system in memory, of so many KiB. */
  mount(name: string, kib: number, options = ''): string {
    const path = join(this.folder, name);
    spawnSync('mkdir', ['-p', path]);
    const mounted = spawnSync('mount', [
      '-t',
      'tmpfs',
      '-o',
      `size=${kib}k${options}`,
      'tmpfs',
      path,
    ]);
    if (mounted.status !== 0) throw new Error(`mount: ${mounted.stderr.toString()}`);
    this.#mounts.push(path);
    return path;
  }

  /** Waits until it is true, but not for ever. */
  async until(
    what: string,
    isTrue: () => Promise<boolean> | boolean,
    withinMs = 30_000,
  ): Promise<void> {
    const untilMs = performance.now() + withinMs;
    while (!(await isTrue())) {
      if (performance.now() > untilMs) {
        this.violations.push(`not within ${withinMs / 1000} s: ${what}`);
        return;
      }
      await sleep(50);
    }
  }

  async close(): Promise<void> {
    for (const program of this.#programs) await program.remove();
    for (const emulator of this.#emulators) await emulator.close();
    for (const file of this.#files) closeSync(file);
    for (const path of this.#mounts) spawnSync('umount', [path]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  #keep(program: GatewayProgram): GatewayProgram {
    this.#programs.push(program);
    return program;
  }
}

/** Why a need is not met here; undefined when it is. */
export function unmet(need: Need | undefined): string | undefined {
  if (need === undefined) return undefined;
  if (need === 'mount') return canMount() ? undefined : 'this process may not mount a file system';
  const isThere = spawnSync('sh', ['-c', `command -v ${need}`]).status === 0;
  return isThere ? undefined : `there is no "${need}" here`;
}

function canMount(): boolean {
  const stage = new Stage();
  try {
    stage.mount('try', 4);
    return true;
  } catch {
    return false;
  } finally {
    void stage.close();
  }
}
