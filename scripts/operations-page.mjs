// The table of metrics in docs/operations.md, made from the registry itself.
import { pageWithPart } from './marked-part.mjs';

/** The page with its table generated again, from the descriptions of the registry. */
export function operationsPage(root, metrics) {
  return pageWithPart(root, 'docs/operations.md', {
    begin: '<!-- metrics: written by npm run generate from the registry -->',
    end: '<!-- end of metrics -->',
    text: table(metrics.filter(({ name }) => name.startsWith('gateway_'))),
  });
}

function table(metrics) {
  const rows = metrics.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(row);
  return ['| metric | type | labels | counts |', '|---|---|---|---|', ...rows, ''].join('\n');
}

function row({ name, type, labels, help }) {
  const named = labels.map((label) => `\`${label}\``).join(', ');
  return `| \`${name}\` | ${type} | ${named || '–'} | ${help} |`;
}
