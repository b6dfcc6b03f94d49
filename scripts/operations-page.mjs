// The tables of metrics in docs/operations.md, made from the registries themselves.
import { pageWithParts } from './marked-part.mjs';

/** The page with its tables generated again, from the descriptions of the registries. */
export function operationsPage(root, { ofGateway, ofService }) {
  return pageWithParts(root, 'docs/operations.md', [
    {
      begin: '<!-- metrics: written by npm run generate from the registry -->',
      end: '<!-- end of metrics -->',
      text: table(ofGateway.filter(({ name }) => name.startsWith('gateway_'))),
    },
    {
      begin: '<!-- service metrics: written by npm run generate from the registry -->',
      end: '<!-- end of service metrics -->',
      text: table(ofService),
    },
  ]);
}

function table(metrics) {
  const rows = metrics.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(row);
  return ['| metric | type | labels | counts |', '|---|---|---|---|', ...rows, ''].join('\n');
}

function row({ name, type, labels, help }) {
  const named = labels.map((label) => `\`${label}\``).join(', ');
  return `| \`${name}\` | ${type} | ${named || '–'} | ${help} |`;
}
