import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { contracts } from '../../src/schemas/contracts/all-contracts.ts';

/** Routes that the document leaves out: pages, health, and a path of the vendor's that generators can't read. */
const undocumented = [
  ...[
    'GET /',
    'GET /livez',
    'GET /readyz',
    'GET /openapi.json',
    'GET /openapi-3.0.json',
    'GET /docs',
  ],
  ...['GET /problems/{code}', 'GET /operations/{id}:cancel', 'POST /operations/{id}:cancel'],
];

/** All pairs of method and path in `GET or POST \`/a\`, \`/b\``; methods hold until others are named. */
function routesOfCell(cell: string): string[] {
  let methods: string[] = [];
  let isFresh = true;
  return [...cell.matchAll(/\b(GET|POST)\b|`([^`]+)`/g)].flatMap(([, method, path]) => {
    if (method !== undefined) {
      methods = isFresh ? [...methods, method] : [method];
      isFresh = true;
      return [];
    }
    isFresh = false;
    return methods.map((name) => `${name} ${path}`);
  });
}

test('the route table of the README is what the document says, and what stands beside it', () => {
  const readme = readFileSync('README.md', 'utf8');
  const rows = readme.split('\n').filter((line) => /^\| (?:GET|POST)/.test(line));
  const listed = rows.flatMap((row) => routesOfCell(row.split('|')[1] ?? ''));
  const documented = contracts.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
  expect(listed.toSorted()).toEqual([...documented, ...undocumented].toSorted());
});
