import { readlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** Bytes that the kernel holds because the peer has not acknowledged them, by the socket's inode; 0 is left out. */
export type UnacknowledgedBytes = ReadonlyMap<string, number>;

/** A line of /proc/net/tcp: a connection that is established or closing, with something left to send. */
const linePattern =
  /^ *\d+: \S+ \S+ (?:01|04|08) (?!00000000)([0-9A-F]{8}):\S+ \S+ \S+ +\d+ +\d+ (\d+) /gm;

/**
 * The unacknowledged bytes of all sockets, from Linux's /proc. On other systems,
 * and where /proc is hidden, the map is empty.
 *
 * What the kernel took from us says little about what the reader took within
 * some seconds: the kernel takes megabytes at once and reports progress in
 * steps of a third of its buffer.
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

/** The inode of an open socket of this process; undefined where it can't be read. */
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
