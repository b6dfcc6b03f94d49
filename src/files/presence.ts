import { statSync } from 'node:fs';

/** Whether files and folders that a process keeps open still stand under their paths. */
export interface Presence {
  /** Looks now. */
  readonly isThere: () => boolean;
  /** Looks no more. */
  close(): void;
}

const lookEveryMs = 5_000;

/**
 * Watches that paths lead to what they lead to now. What is removed or replaced
 * while it is open can still be written, and is lost when the process ends.
 *
 * @param lost Called once, when they first do not.
 */
export function watchPresence(paths: readonly string[], lost: () => void): Presence {
  const opened = paths.map(identityOf);
  let isReported = false;
  const isThere = () => {
    const isSame = paths.every((path, index) => identityOf(path) === opened[index]);
    if (!isSame && !isReported) {
      isReported = true;
      lost();
    }
    return isSame;
  };
  const timer = setInterval(isThere, lookEveryMs).unref();
  return { isThere, close: () => clearInterval(timer) };
}

/** Undefined where there is nothing, or nothing that can be looked at. */
function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path);
    return `${dev} ${ino}`;
  } catch {
    return undefined;
  }
}
