import { readdirSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';

/** How many more files and sockets this process may open; undefined where the system does not say. */
export function descriptorsLeft(): number | undefined {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1');
    const [, max] = /^Max open files +(\d+) /m.exec(limits) ?? [];
    return max === undefined ? undefined : Number(max) - readdirSync('/proc/self/fd').length;
  } catch {
    return undefined;
  }
}

/** Whether the process, or the whole system, has no descriptor left: found by opening something. */
export async function isOutOfDescriptors(): Promise<boolean> {
  try {
    await (await open('/dev/null')).close();
    return false;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'EMFILE' || code === 'ENFILE';
  }
}
