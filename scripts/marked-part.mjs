// Pages that people write, with one generated part between two marker lines.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The page with the text between the two marker lines replaced. */
export function pageWithPart(root, path, { begin, end, text }) {
  const page = readFileSync(join(root, path), 'utf8');
  const [before, rest] = split(page, begin, path);
  const [, after] = split(rest, end, path);
  return `${before}${begin}\n\n${text}\n${end}${after}`;
}

function split(text, marker, path) {
  const at = text.indexOf(marker);
  if (at < 0) throw new Error(`${path} lacks the line: ${marker}`);
  return [text.slice(0, at), text.slice(at + marker.length)];
}
