import { expect, test } from 'vitest';
import { entries, layers, systemClock, roots } from './layers.ts';
import {
  codeOf,
  filesBelow,
  importsOf,
  layerOf,
  packageOf,
  targetOf,
  textOf,
} from './source-file.ts';

const files = filesBelow(['src'], '.ts');
const ownFiles = files.filter((path) => layerOf(path) !== 'gen');

const impurities: Readonly<Record<string, RegExp>> = {
  'async code': /\basync\b|\bawait\b|\bnew Promise\b|\bPromise\./,
  'a clock': /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\./,
  'a timer': /\bset(?:Timeout|Interval|Immediate)\(|\bqueueMicrotask\(/,
  randomness: /\bMath\.random\b|\bcrypto\./,
  'the process': /\bprocess\.|\bfetch\(/,
};

function impuritiesOf(code: string): readonly string[] {
  return Object.keys(impurities).filter((name) => impurities[name]?.test(code));
}

/** What a file imports against the table, in words. */
function trespasses(path: string): readonly string[] {
  const layer = layers[layerOf(path)];
  const allowed = layer?.imports ?? roots[layerOf(path)] ?? [];
  const found: string[] = [];
  for (const { specifier, isTypeOnly } of importsOf(textOf(path))) {
    if (specifier.startsWith('.')) {
      const target = layerOf(targetOf(path, specifier));
      if (target !== layerOf(path) && !allowed.includes(target)) found.push(specifier);
    } else if (specifier.startsWith('node:')) {
      if (layer?.pure === true && !isTypeOnly) found.push(specifier);
    } else if (layer !== undefined && !layer.packages.includes(packageOf(specifier))) {
      found.push(specifier);
    }
  }
  return found.map((specifier) => `${path} imports ${specifier}`);
}

/** Folders and packages that the files of one row use: by an import, or by a path within a package. */
function usedBy(name: string): ReadonlySet<string> {
  const texts = files.filter((path) => layerOf(path) === name).map((path) => [path, textOf(path)]);
  const resolved = /\bresolve\(\s*'([^']+)'/g;
  return new Set(
    texts.flatMap(([path = '', text = '']) => [
      ...importsOf(text).map(({ specifier }) =>
        specifier.startsWith('.') ? layerOf(targetOf(path, specifier)) : packageOf(specifier),
      ),
      ...Array.from(text.matchAll(resolved), ([, specifier = '']) => packageOf(specifier)),
    ]),
  );
}

test('every folder of src has its row in the table', () => {
  const names = [...new Set(files.map(layerOf))].toSorted();
  const rows = [...Object.keys(layers), ...Object.keys(roots)].toSorted();
  expect(names).toStrictEqual(rows);
});

test('a row names only rows above it, so no folders import each other', () => {
  const names = Object.keys(layers);
  for (const [index, name] of names.entries()) {
    expect(names.slice(0, index)).toStrictEqual(
      expect.arrayContaining([...(layers[name]?.imports ?? [])]),
    );
  }
});

test('every file imports only what the row of its folder names', () => {
  expect(ownFiles.flatMap(trespasses)).toStrictEqual([]);
});

test('every permission of the table is used', () => {
  const rows = Object.entries(layers).map(
    ([name, { imports, packages }]) => [name, [...imports, ...packages]] as const,
  );
  const unused = [...rows, ...Object.entries(roots)].flatMap(([name, permissions]) => {
    const used = usedBy(name);
    return permissions
      .filter((permission) => !used.has(permission))
      .map((permission) => `${name} does not import ${permission}`);
  });
  expect(unused).toStrictEqual([]);
});

test('every relative import ends in .ts and names a file that is there', () => {
  const broken = ownFiles.flatMap((path) =>
    importsOf(textOf(path))
      .filter(({ specifier }) => specifier.startsWith('.'))
      .filter(({ specifier }) => !files.includes(targetOf(path, specifier)))
      .map(({ specifier }) => `${path} imports ${specifier}`),
  );
  expect(broken).toStrictEqual([]);
});

test('every file of src is used by a process', () => {
  const reached = new Set<string>();
  const open = entries.filter((path) => files.includes(path));
  // Workers and generators name their files in other ways than by an import.
  open.push(...ownFiles.filter((path) => /worker\.ts$|-page\.ts$/.test(path)));
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    for (const { specifier } of importsOf(textOf(path))) {
      if (specifier.startsWith('.')) open.push(targetOf(path, specifier));
    }
  }
  expect(ownFiles.filter((path) => !reached.has(path))).toStrictEqual([]);
});

test('a process entry is imported by nothing', () => {
  const imported = new Set(
    files.flatMap((path) =>
      importsOf(textOf(path)).map(({ specifier }) => targetOf(path, specifier)),
    ),
  );
  expect(entries.filter((path) => imported.has(path))).toStrictEqual([]);
});

test('pure folders have no clock, randomness, process or async code', () => {
  const impure = ownFiles
    .filter((path) => layers[layerOf(path)]?.pure === true)
    .flatMap((path) => impuritiesOf(codeOf(textOf(path))).map((name) => `${path} has ${name}`));
  expect(impure).toStrictEqual([]);
});

test('operations take time and randomness from their ports alone', () => {
  const machine = new Set(['a clock', 'a timer', 'randomness']);
  const found = ownFiles
    .filter((path) => ['operations', 'clock'].includes(layerOf(path)) && path !== systemClock)
    .flatMap((path) => {
      const names = impuritiesOf(codeOf(textOf(path))).filter((name) => machine.has(name));
      return names.map((name) => `${path} has ${name}`);
    });
  expect(found).toStrictEqual([]);
  expect(impuritiesOf(codeOf(textOf(systemClock)))).toStrictEqual(
    expect.arrayContaining(['a clock', 'a timer', 'randomness']),
  );
});

test('no module outside an entry reads the environment', () => {
  // Fontconfig learns where its fonts are from a variable, and in no other way.
  const reading = /\bprocess\.env\b(?!\[''\] \??\?=|\.\w+ =)/;
  const readers = ownFiles
    .filter((path) => !entries.includes(path))
    .filter((path) => reading.test(codeOf(textOf(path))));
  expect(readers).toStrictEqual([]);
});

test('the table in docs/architecture.md is the one that is enforced', () => {
  const rows = textOf('docs/architecture.md').matchAll(
    /^\| `src\/([a-z]+)\/` +\|[^|]*\| +([^|]*?) +\| +([^|]*?) +\|$/gm,
  );
  const documented = Object.fromEntries(
    Array.from(rows, ([, name = '', imports = '', pure = '']) => [
      name,
      { imports: imports.split(', ').filter((text) => text !== '–'), pure: pure === 'yes' },
    ]),
  );
  const enforced = Object.fromEntries(
    Object.entries(layers).map(([name, { imports, pure }]) => [
      name,
      { imports: [...imports], pure },
    ]),
  );
  expect(documented).toStrictEqual(enforced);
});

test('the reader of imports sees every form of them, and none in a comment', () => {
  const text = [
    "import { a } from './a.ts';",
    "import type { b } from './b.ts';",
    'import {\n  c,\n  type d,\n} from "./quoted.ts";'.replaceAll('"', "'"),
    "export { e } from './e.ts';",
    "import './f.ts';",
    "const g = await import('./g.ts');",
    "/*\nimport { h } from './h.ts';\n*/",
    "// import { i } from './i.ts';",
    'const text = "import { j } from \'./j.ts\'";',
  ].join('\n');
  expect(importsOf(text)).toStrictEqual(
    [
      ['a', false],
      ['b', true],
      ['quoted', false],
      ['e', false],
      ['f', false],
      ['g', false],
    ].map(([name, isTypeOnly]) => ({ specifier: `./${String(name)}.ts`, isTypeOnly })),
  );
});
