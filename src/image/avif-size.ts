import { boxType, isoBox, isoBoxes, type IsoBox } from './iso-box.ts';
import { pixelSize, type PixelSize } from './pixel-size.ts';
import { hasAsciiAt, uintBeAt } from './uint-at.ts';

const types = {
  fileType: boxType('ftyp'),
  meta: boxType('meta'),
  primaryItem: boxType('pitm'),
  properties: boxType('iprp'),
  propertyContainer: boxType('ipco'),
  propertyAssociation: boxType('ipma'),
  spatialExtents: boxType('ispe'),
} as const;

const brandsMax = 64;
/** Items and their properties looked at; an image cut into a grid has an item per tile. */
const associationsMax = 4_096;
/** version (1 byte) and flags (3 bytes), at the start of a "full" box. */
const fullBoxBytes = 4;

/** Whether the file type box names AVIF, as a still (`avif`) or a sequence (`avis`), among its brands. */
export function isAvif(bytes: Uint8Array): boolean {
  const fileType = firstBox(bytes);
  if (fileType?.type !== types.fileType) return false;
  const brandsEnd = Math.min(fileType.end, fileType.start + 4 * brandsMax);
  for (let at = fileType.start; at + 4 <= brandsEnd; at += 4) {
    // After the major brand comes its version, which is no brand.
    if (at === fileType.start + 4) continue;
    if (hasAsciiAt(bytes, at, 'avif') || hasAsciiAt(bytes, at, 'avis')) return true;
  }
  return false;
}

function firstBox(bytes: Uint8Array): IsoBox | undefined {
  for (const box of isoBoxes(bytes, 0, bytes.byteLength)) return box;
  return undefined;
}

/**
 * Size of the primary item: of the whole image, not of a tile, thumbnail or
 * alpha plane, each of which has an `ispe` property of its own.
 */
export function avifSize(bytes: Uint8Array): PixelSize | undefined {
  const meta = isoBox(bytes, { start: 0, end: bytes.byteLength }, types.meta);
  if (meta === undefined) return undefined;
  const metaContent = { start: meta.start + fullBoxBytes, end: meta.end };
  const properties = isoBox(bytes, metaContent, types.properties);
  if (properties === undefined) return undefined;
  const container = isoBox(bytes, properties, types.propertyContainer);
  const association = isoBox(bytes, properties, types.propertyAssociation);
  const item = primaryItem(bytes, metaContent);
  if (container === undefined || association === undefined || item === undefined) return undefined;
  const all = [...isoBoxes(bytes, container.start, container.end)];
  for (const index of propertyIndexes(bytes, association, item)) {
    const property = all[index - 1];
    if (property?.type !== types.spatialExtents) continue;
    const start = property.start + fullBoxBytes;
    return pixelSize(uintBeAt(bytes, start, 4), uintBeAt(bytes, start + 4, 4));
  }
  return undefined;
}

function primaryItem(
  bytes: Uint8Array,
  meta: { readonly start: number; readonly end: number },
): number | undefined {
  const box = isoBox(bytes, meta, types.primaryItem);
  if (box === undefined) return undefined;
  return uintBeAt(bytes, box.start + fullBoxBytes, bytes[box.start] === 0 ? 2 : 4);
}

/** The 1-based indexes of the properties of an item (ISO/IEC 23008-12, 9.3.1). */
function* propertyIndexes(bytes: Uint8Array, box: IsoBox, item: number): Generator<number> {
  const itemBytes = bytes[box.start] === 0 ? 2 : 4;
  const isWide = ((bytes[box.start + 3] ?? 0) & 1) === 1;
  let at = box.start + fullBoxBytes + 4;
  let associationsLeft = associationsMax;
  while (at < box.end && associationsLeft > 0) {
    const isWanted = uintBeAt(bytes, at, itemBytes) === item;
    const count = bytes[at + itemBytes] ?? 0;
    at += itemBytes + 1;
    for (let index = 0; isWanted && index < count; index += 1) {
      // The highest bit says that the property is essential.
      if (isWide) yield (uintBeAt(bytes, at + 2 * index, 2) ?? 0) & 0x7fff;
      else yield (bytes[at + index] ?? 0) & 0x7f;
    }
    at += count * (isWide ? 2 : 1);
    associationsLeft -= 1 + count;
  }
}
