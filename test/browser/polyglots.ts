import sharp from 'sharp';

/** A file that is an image, or passes for one, and something that runs. */
export interface Polyglot {
  readonly name: string;
  readonly bytes: Buffer;
  /** The media type under which a browser runs it; absent where none does any more. */
  readonly runsAs?: 'text/html' | 'text/javascript' | 'text/css' | 'image/svg+xml' | 'text/xml';
  readonly charset?: 'iso-8859-1' | 'utf-8' | 'utf-16le';
  /** Whether a browser shows it as an image. */
  readonly isShown: boolean;
}

const latin = (text: string) => Buffer.from(text, 'latin1');

/** What each of them does if it runs: a script's text without `<` and quotes of its own, and a rule of CSS. */
export interface Payload {
  readonly script: string;
  readonly style: string;
}

function pageOf({ script }: Payload): string {
  return `<!doctype html><html><body><script>${script}</script></body></html>`;
}

function svgOf({ script }: Payload): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><script>${script}</script></svg>`;
}

function jpegSegment(marker: number, content: Buffer, length = content.length + 2): Buffer {
  return Buffer.concat([Buffer.from([0xff, marker, length >> 8, length & 0xff]), content]);
}

const comment = 0xfe;

/** Segments put in right behind the start of a JPEG. */
function jpegWith(jpeg: Buffer, ...segments: Buffer[]): Buffer {
  return Buffer.concat([jpeg.subarray(0, 2), ...segments, jpeg.subarray(2)]);
}

/** `ÿØÿà/*` … `*\/=1;script/*` … `*\/`: the length of the first segment opens a comment of JavaScript. */
function jpegScript(jpeg: Buffer, { script }: Payload): Buffer {
  const opening = 0x2f2a;
  const first = jpegSegment(0xe0, Buffer.alloc(opening - 2), opening);
  const second = jpegSegment(comment, latin(`*/=1;${script}/*`));
  return Buffer.concat([jpegWith(jpeg, first, second), latin('*/')]);
}

/** A chunk of PNG; readers skip a text whose checksum is wrong, or do not look. */
function pngWith(png: Buffer, type: string, content: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(content.length);
  head.write(type, 4, 'latin1');
  const headerEnd = 8 + 25;
  const chunk = Buffer.concat([head, content, Buffer.alloc(4)]);
  return Buffer.concat([png.subarray(0, headerEnd), chunk, png.subarray(headerEnd)]);
}

/** A comment extension before the end of a GIF. */
function gifWith(gif: Buffer, text: string): Buffer {
  const blocks = (text.match(/[^]{1,255}/g) ?? []).map((part) =>
    Buffer.concat([Buffer.from([part.length]), latin(part)]),
  );
  const extension = [Buffer.from([0x21, 0xfe]), ...blocks, Buffer.from([0])];
  return Buffer.concat([gif.subarray(0, -1), ...extension, gif.subarray(-1)]);
}

/** `GIF89a/*` … `*\/=1;script`: the width of the screen opens the comment. */
function gifScript(gif: Buffer, { script }: Payload): Buffer {
  const wide = Buffer.from(gif);
  wide.write('/*', 6, 'latin1');
  return Buffer.concat([wide, latin(`*/=1;${script}`)]);
}

function riffChunk(type: string, content: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.write(type, 'latin1');
  head.writeUInt32LE(content.length, 4);
  return Buffer.concat([head, content, Buffer.alloc(content.length % 2)]);
}

/** `RIFF/*` … `*\/=1;script`: the length of the file opens the comment, and is the true one. */
function webpScript(webp: Buffer, { script }: Payload): Buffer {
  const lengthMax = 0x2a2f - 1;
  const code = latin(`*/=1;${script}//`);
  const room = lengthMax + 8 - webp.length - 8;
  const filler = Buffer.concat([code, Buffer.alloc(room - code.length, ' ')]);
  const whole = Buffer.concat([webp, riffChunk('JUNK', filler), Buffer.alloc(1)]);
  whole.write('/*\0\0', 4, 'latin1');
  return whole;
}

function isoBox(type: string, content: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(content.length + 8);
  head.write(type, 4, 'latin1');
  return Buffer.concat([head, content]);
}

/** The signature of an empty archive, after a name that is a page. */
function zipOf(text: string): Buffer {
  const name = latin(text);
  const local = Buffer.alloc(30);
  local.write('PK\x03\x04', 'latin1');
  local.writeUInt16LE(name.length, 26);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  return Buffer.concat([local, name, end]);
}

function pdfOf({ script }: Payload): string {
  return `%PDF-1.4\n1 0 obj<</Type/Catalog/OpenAction<</S/JavaScript/JS(${script})>>>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF`;
}

async function images() {
  const canvas = sharp({ create: { width: 8, height: 8, channels: 3, background: '#a33' } });
  const made = (format: 'jpeg' | 'png' | 'gif' | 'webp' | 'avif') =>
    canvas.clone().toFormat(format).toBuffer();
  const withExif = (format: 'jpeg' | 'webp', text: string) =>
    canvas
      .clone()
      .withExif({ IFD0: { ImageDescription: text, Copyright: text } })
      .toFormat(format)
      .toBuffer();
  const [jpeg, png, gif, webp, avif] = await Promise.all([
    ...[made('jpeg'), made('png'), made('gif')],
    ...[made('webp'), made('avif')],
  ]);
  return { jpeg, png, gif, webp, avif, withExif } as {
    [Name in 'jpeg' | 'png' | 'gif' | 'webp' | 'avif']: Buffer;
  } & { withExif: typeof withExif };
}

const html = { runsAs: 'text/html', charset: 'iso-8859-1', isShown: true } as const;
const code = { runsAs: 'text/javascript', charset: 'iso-8859-1', isShown: true } as const;
const style = { runsAs: 'text/css', charset: 'iso-8859-1', isShown: true } as const;
const inert = { isShown: true } as const;
const hollow = { ...html, isShown: false } as const;

function after(image: Buffer, text: string | Buffer): Buffer {
  return Buffer.concat([image, typeof text === 'string' ? latin(text) : text]);
}

/** Files that have the signature of an image: they are served. */
export async function servedPolyglots(payload: Payload): Promise<readonly Polyglot[]> {
  return [
    ...(await jpegPolyglots(payload)),
    ...(await otherPolyglots(payload)),
    ...(await hollowPolyglots(payload)),
  ];
}

async function jpegPolyglots(payload: Payload): Promise<readonly Polyglot[]> {
  const { jpeg, withExif } = await images();
  const page = pageOf(payload);
  const utf16 = Buffer.from(page, 'utf16le');
  return [
    { name: 'JPEG, a page after it', bytes: after(jpeg, page), ...html },
    {
      name: 'JPEG, a page in a comment',
      bytes: jpegWith(jpeg, jpegSegment(comment, latin(page))),
      ...html,
    },
    { name: 'JPEG, a page in EXIF', bytes: await withExif('jpeg', page), ...html },
    {
      name: 'JPEG, an SVG in a comment',
      bytes: jpegWith(jpeg, jpegSegment(comment, latin(svgOf(payload)))),
      ...html,
    },
    { name: 'JPEG that is JavaScript', bytes: jpegScript(jpeg, payload), ...code },
    { name: 'JPEG, an archive after it', bytes: after(jpeg, zipOf(page)), ...html },
    {
      name: 'JPEG, a PDF in a comment',
      bytes: jpegWith(jpeg, jpegSegment(comment, latin(pdfOf(payload)))),
      ...inert,
    },
    {
      name: 'JPEG, UTF-7 in a comment',
      bytes: jpegWith(
        jpeg,
        jpegSegment(comment, latin(`+ADw-script+AD4-${payload.script}+ADw-/script+AD4-`)),
      ),
      ...inert,
    },
    {
      name: 'JPEG, UTF-16 after it',
      bytes: after(after(jpeg, Buffer.alloc(jpeg.length % 2)), utf16),
      ...html,
      charset: 'utf-16le',
    },
  ];
}

async function otherPolyglots(payload: Payload): Promise<readonly Polyglot[]> {
  const { png, gif, webp, avif, withExif } = await images();
  const page = pageOf(payload);
  return [
    { name: 'PNG, a page after it', bytes: after(png, page), ...html },
    { name: 'PNG, a page in a text', bytes: pngWith(png, 'tEXt', latin(`x\0${page}`)), ...html },
    { name: 'GIF, a page after it', bytes: after(gif, page), ...html },
    { name: 'GIF, a page in a comment', bytes: gifWith(gif, page), ...html },
    { name: 'GIF that is JavaScript', bytes: gifScript(gif, payload), ...code },
    { name: 'GIF with a style in a comment', bytes: gifWith(gif, `{}${payload.style}`), ...style },
    { name: 'WebP, a page after it', bytes: after(webp, page), ...html },
    { name: 'WebP, a page in EXIF', bytes: await withExif('webp', page), ...html },
    { name: 'WebP that is JavaScript', bytes: webpScript(webp, payload), ...code },
    {
      name: 'AVIF, a page in a free box',
      bytes: after(avif, isoBox('free', latin(page))),
      ...html,
    },
    { name: 'AVIF, a page after it', bytes: after(avif, page), ...html },
  ];
}

async function hollowPolyglots(payload: Payload): Promise<readonly Polyglot[]> {
  const { jpeg } = await images();
  const page = pageOf(payload);
  return [
    // No image behind the signature; of a GIF the size is enough to be shown, as nothing.
    {
      name: 'GIF’s signature as a variable',
      bytes: latin(`GIF89a=1;${payload.script}`),
      ...code,
    },
    { name: 'GIF’s signature, a page', bytes: latin(`GIF89a${page}`), ...html },
    { name: 'JPEG’s signature, a page', bytes: latin(`\xff\xd8\xff${page}`), ...hollow },
    { name: 'PNG’s signature, a page', bytes: latin(`\x89PNG\r\n\x1a\n${page}`), ...hollow },
    { name: 'WebP’s signature, a page', bytes: latin(`RIFF<!--WEBP-->${page}`), ...hollow },
    {
      name: 'AVIF’s first box, a page',
      bytes: after(isoBox('ftyp', latin('avif\0\0\0\0avifmif1')), page),
      ...hollow,
    },
    {
      name: 'base64 of a JPEG with a page after it',
      bytes: latin(after(jpeg, page).toString('base64')),
      ...inert,
    },
  ];
}

/** Files that only claim to be images: none of them may be served. */
export async function refusedPolyglots(payload: Payload): Promise<readonly Polyglot[]> {
  const { jpeg, gif } = await images();
  const page = pageOf(payload);
  const svg = svgOf(payload);
  const html = { runsAs: 'text/html', charset: 'iso-8859-1', isShown: false } as const;
  const sheet = `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><script>${payload.script}</script></html>`;
  const transform =
    `<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="#s"?><!DOCTYPE x [<!ATTLIST xsl:stylesheet id ID #IMPLIED>]>` +
    `<x><xsl:stylesheet id="s" version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/">` +
    `<html xmlns="http://www.w3.org/1999/xhtml"><script>${payload.script}</script></html></xsl:template></xsl:stylesheet></x>`;
  return [
    { name: 'a page', bytes: latin(page), ...html },
    { name: 'a page after a byte order mark', bytes: latin(`\xef\xbb\xbf${page}`), ...html },
    {
      name: 'a page in UTF-16',
      bytes: Buffer.from(`\ufeff${page}`, 'utf16le'),
      ...html,
      charset: 'utf-16le',
    },
    { name: 'a page before a JPEG', bytes: Buffer.concat([latin(page), jpeg]), ...html },
    { name: 'a page before a GIF', bytes: Buffer.concat([latin(`\n${page}`), gif]), ...html },
    { name: 'a bitmap’s signature, a page', bytes: latin(`BM${page}`), ...html },
    { name: 'an archive, a page in it', bytes: zipOf(page), ...html },
    { name: 'base64 of a page', bytes: latin(latin(page).toString('base64')), isShown: false },
    { name: 'a PDF', bytes: latin(pdfOf(payload)), isShown: false },
    {
      name: 'JavaScript',
      bytes: latin(payload.script),
      runsAs: 'text/javascript',
      charset: 'utf-8',
      isShown: false,
    },
    {
      name: 'an SVG',
      bytes: latin(svg),
      runsAs: 'image/svg+xml',
      charset: 'utf-8',
      isShown: false,
    },
    {
      name: 'an SVG after a declaration',
      bytes: latin(`<?xml version="1.0"?>\n${svg}`),
      runsAs: 'image/svg+xml',
      charset: 'utf-8',
      isShown: false,
    },
    { name: 'XHTML', bytes: latin(sheet), runsAs: 'text/xml', charset: 'utf-8', isShown: false },
    { name: 'a transformation of XML', bytes: latin(transform), isShown: false },
  ];
}
