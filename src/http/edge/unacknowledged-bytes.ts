import { readlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** Bytes that the kernel holds for peers who have not taken them, by the socket's inode; 0 is left out. */
export type UnacknowledgedBytes = ReadonlyMap<string, number>;

/** Established, or closing from either side, with something left to send: the columns of proc_net_tcp. */
const linePattern =
  /^ *\d+: \S+ \S+ (?:01|04|08) (?!00000000)([0-9A-F]{8}):\S+ \S+ \S+ +\d+ +\d+ (\d+) /gm;

/**
 * Asks Linux. Elsewhere, and where it is hidden, the map is empty.
 *
 * The kernel takes megabytes from us at once and tells of progress in steps of
 * a third of its buffer, so what it took from us says little of what a reader
 * took from it within some seconds.
 */
export async function unacknowledgedBytes(): Promise<UnacknowledgedBytes> {
  const texts = await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map(textOf));
  const bytes = new Map<string, number>();
  for (const text of texts) {
    for (const [, hex = '0', inode = ''] of text.matchAll(linePattern)) {
      bytes.set(inode, Number.parseInt(hex, 16));
    }
  }
  return bytes;
}

/** The inode of an open socket of this process; undefined where there is no such thing. */
export function inodeOf(fd: number | undefined): string | undefined {
  if (fd === undefined || fd < 0) return undefined;
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
  } catch {
    return undefined;
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1');
  } catch {
    return '';
  }
}
