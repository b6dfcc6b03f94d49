import { crc32 } from 'node:zlib';

/** A chunk of a PNG file. */
export function pngChunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

/** The chunks put behind IHDR. */
export function pngWith(png: Uint8Array, ...chunks: readonly Uint8Array[]): Buffer {
  const afterHead = 8 + 25;
  return Buffer.concat([png.subarray(0, afterHead), ...chunks, png.subarray(afterHead)]);
}

/** Types of the chunks of a PNG file. */
export function pngTypes(png: Uint8Array): readonly string[] {
  const bytes = Buffer.from(png);
  const types: string[] = [];
  for (let at = 8; at < bytes.length; at += 12 + bytes.readUInt32BE(at)) {
    types.push(bytes.toString('latin1', at + 4, at + 8));
  }
  return types;
}

/** A segment of a JPEG file. */
export function jpegSegment(code: number, data: string | Uint8Array): Buffer {
  const content = typeof data === 'string' ? Buffer.from(data, 'latin1') : data;
  const head = Buffer.from([0xff, code, 0, 0]);
  head.writeUInt16BE(content.length + 2, 2);
  return Buffer.concat([head, content]);
}

/** The segments put behind SOI. */
export function jpegWith(jpeg: Uint8Array, ...segments: readonly Uint8Array[]): Buffer {
  return Buffer.concat([jpeg.subarray(0, 2), ...segments, jpeg.subarray(2)]);
}

/** A chunk of a WebP file. */
export function webpChunk(type: string, data: Uint8Array): Buffer {
  const head = Buffer.alloc(8);
  head.write(type, 'latin1');
  head.writeUInt32LE(data.length, 4);
  return Buffer.concat([head, data, Buffer.alloc(data.length % 2)]);
}

/** The chunks put at the end of a WebP file. */
export function webpWith(webp: Uint8Array, ...chunks: readonly Uint8Array[]): Buffer {
  const whole = Buffer.concat([webp, ...chunks]);
  whole.writeUInt32LE(whole.length - 8, 4);
  return whole;
}

/** Types of the chunks of a WebP file. */
export function webpTypes(webp: Uint8Array): readonly string[] {
  const bytes = Buffer.from(webp);
  const types: string[] = [];
  for (let at = 12; at < bytes.length;) {
    const length = bytes.readUInt32LE(at + 4);
    types.push(bytes.toString('latin1', at, at + 4));
    at += 8 + length + (length % 2);
  }
  return types;
}

/** A JUMBF box as C2PA puts it into a file. */
export function c2paBox(): Buffer {
  const description = Buffer.concat([
    Buffer.from('c2pa', 'latin1'),
    Buffer.from('00110010800000aa00389b71', 'hex'),
    Buffer.from([3]),
    Buffer.from('c2pa\0', 'latin1'),
  ]);
  return box('jumb', Buffer.concat([box('jumd', description), box('c2cl', Buffer.alloc(64, 7))]));
}

function box(type: string, content: Uint8Array): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + content.length);
  head.write(type, 4, 'latin1');
  return Buffer.concat([head, content]);
}
