// The table of docs/reliability.md, made from the figures that scripts recorded in docs/figures/.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pageWithPart } from './marked-part.mjs';

const begin = '<!-- figures: written by npm run generate from docs/figures/ -->';
const end = '<!-- end of figures -->';

/** The page with its table generated again. */
export function reliabilityPage(root) {
  const text = table(join(root, 'docs/figures'));
  return pageWithPart(root, 'docs/reliability.md', { begin, end, text });
}

function table(folder) {
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
  const rows = files
    .toSorted()
    .map((name) => row(JSON.parse(readFileSync(join(folder, name), 'utf8'))));
  const head =
    '| | what is promised | figure promised | seen | | shown by |\n|---|---|---|---|---|---|\n';
  return head + rows.map((text) => `${text}\n`).join('');
}

function row({ promise, says, goal, seen, isMet, by, node, on }) {
  const shown = `\`${by}\`, ${on}, Node ${node.replace(/^v/, '')}`;
  return `| ${[promise, says, goal, seen, isMet ? 'met' : '**missed**', shown].join(' | ')} |`;
}
