/** The big-endian unsigned integer of 1 … 6 bytes at `offset`; undefined when the bytes end before it. */
export function uintBeAt(bytes: Uint8Array, offset: number, byteCount: number): number | undefined {
  let value = 0;
  for (let at = offset; at < offset + byteCount; at += 1) {
    const byte = bytes[at];
    if (byte === undefined) return undefined;
    value = value * 256 + byte;
  }
  return value;
}

/** The same, little-endian. */
export function uintLeAt(bytes: Uint8Array, offset: number, byteCount: number): number | undefined {
  let value = 0;
  for (let at = offset + byteCount - 1; at >= offset; at -= 1) {
    const byte = bytes[at];
    if (byte === undefined) return undefined;
    value = value * 256 + byte;
  }
  return value;
}

/** Whether the ASCII text stands at `offset`. */
export function hasAsciiAt(bytes: Uint8Array, offset: number, ascii: string): boolean {
  for (let index = 0; index < ascii.length; index += 1) {
    if (bytes[offset + index] !== ascii.charCodeAt(index)) return false;
  }
  return true;
}
