import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('failing-writes.c', import.meta.url));

/** Writes of a process below one path that fail with an error of the system's, as long as a test wants. */
export class FaultyWrites {
  /** For the process. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #errnoFile: string;

  /** @param path of a file, or of a folder with all below it. */
  constructor(folder: string, path: string) {
    const library = join(folder, 'failing-writes.so');
    const built = spawnSync('cc', ['-shared', '-fPIC', '-w', '-o', library, source, '-ldl']);
    if (built.status !== 0) throw new Error(`cc: ${built.stderr.toString()}`);
    this.#errnoFile = join(folder, 'errno');
    this.environment = {
      LD_PRELOAD: library,
      FAULT_PATH: path,
      FAULT_ERRNO_FILE: this.#errnoFile,
    };
  }

  begin(code: 'ENOSPC' | 'EIO' | 'EDQUOT' | 'EROFS'): void {
    writeFileSync(
      this.#errnoFile,
      String(code === 'EDQUOT' ? constants.errno.EDQUOT : constants.errno[code]),
    );
  }

  end(): void {
    rmSync(this.#errnoFile);
  }
}
