// Pages that people write, with generated parts between two marker lines each.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The page with the text between the two marker lines replaced. */
export function pageWithPart(root, path, part) {
  return pageWithParts(root, path, [part]);
}

/** The same for several parts. */
export function pageWithParts(root, path, parts) {
  let page = readFileSync(join(root, path), 'utf8');
  for (const { begin, end, text } of parts) {
    const [before, rest] = split(page, begin, path);
    const [, after] = split(rest, end, path);
    page = `${before}${begin}\n\n${text}\n${end}${after}`;
  }
  return page;
}

function split(text, marker, path) {
  const at = text.indexOf(marker);
  if (at < 0) throw new Error(`${path} lacks the line: ${marker}`);
  return [text.slice(0, at), text.slice(at + marker.length)];
}
