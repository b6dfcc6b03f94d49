import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { emptyNames, layers } from './layers.ts';
import { filesBelow, layerOf, root, textOf } from './source-file.ts';

const linesMax = 300;

const source = filesBelow(['src'], '.ts').filter((path) => layerOf(path) !== 'gen');
const pages = [
  ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'],
  ...filesBelow(['docs', 'deploy'], '.md'),
];

test(`no file of src is longer than ${linesMax} lines`, () => {
  const long = source.filter((path) => textOf(path).split('\n').length - 1 > linesMax);
  expect(long).toStrictEqual([]);
});

test('every file and folder has a kebab-case name that says what it holds', () => {
  const code = [...source, ...filesBelow(['test'], '.ts')];
  const parts = [...new Set(code.flatMap((path) => path.split('/').slice(1)))];
  const stems = parts.map((part) => part.replace(/\.(?:test\.)?ts$/, ''));
  expect(stems.filter((stem) => !/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(stem))).toStrictEqual([]);
  const said = stems.filter((stem) => stem.split('-').some((word) => emptyNames.includes(word)));
  expect(said).toStrictEqual([]);
});

test('generated code stays where it is marked as generated', () => {
  expect(Object.keys(layers)).toContain('gen');
  for (const path of filesBelow(['src/gen'], '.ts')) expect(textOf(path)).toMatch(/@generated/);
});

const link = /\[[^\]]*\]\(([^)\s]+)\)/g;

test.each(pages)('every relative link of %s leads somewhere', (page) => {
  const text = textOf(page).replace(/```[\s\S]*?```/g, '');
  const targets = Array.from(text.matchAll(link), ([, target = '']) => target);
  const relative = targets.filter((target) => !/^(?:[a-z]+:|#)/.test(target));
  const broken = relative.filter(
    (target) => !existsSync(join(root, dirname(page), decodeURI(target.split('#')[0] ?? ''))),
  );
  expect(broken).toStrictEqual([]);
});

test('every decision is listed in docs/architecture.md', () => {
  const architecture = textOf('docs/architecture.md');
  const missing = filesBelow(['docs/adr'], '.md').filter(
    (path) => !architecture.includes(`(adr/${basename(path)})`),
  );
  expect(missing).toStrictEqual([]);
});

/** Names of files in code type, as far as they look like one. */
function filesNamedIn(page: string): readonly string[] {
  const spans = textOf(page).matchAll(/`([^`\s]+)`/g);
  return Array.from(spans, ([, text = '']) => text).filter((text) =>
    /^[\w./-]+\.(?:ts|js|mjs|json|ya?ml|md|env|html)$/.test(text),
  );
}

test.each(['docs/adding.md', 'docs/architecture.md', 'docs/testing.md', 'CONTRIBUTING.md'])(
  'every file that %s names is there',
  (page) => {
    const all = filesBelow(['src', 'test', 'docs', 'deploy', 'bench', 'scripts'], '');
    const top = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'];
    const missing = filesNamedIn(page).filter(
      (name) => ![...all, ...top].some((path) => path === name || path.endsWith(`/${name}`)),
    );
    expect(missing).toStrictEqual([]);
  },
);

test.each(['operations', 'upstream'])(
  'docs/architecture.md has a line for every file of src/%s',
  (folder) => {
    const rows = textOf('docs/architecture.md').matchAll(/^\| `([a-z/-]+\.ts)` \|/gm);
    const named = Array.from(rows, ([, name = '']) => name);
    const files = filesBelow([`src/${folder}`], '.ts').map((path) =>
      path.split('/').slice(2).join('/'),
    );
    expect(named).toStrictEqual(expect.arrayContaining(files));
  },
);

test.each(filesBelow(['docs/adr'], '.md'))('%s has the form of every decision', (path) => {
  const text = textOf(path);
  const number = basename(path).slice(0, 3);
  expect(text).toMatch(
    new RegExp(
      `^# ${number} – .+\\n\\n- Status: (accepted|replaced by .+)\\n- Date: \\d{4}-\\d\\d-\\d\\d\\n\\n## Context\\n`,
    ),
  );
  const headings = Array.from(text.matchAll(/^## (.+)$/gm), ([, heading]) => heading);
  expect(headings).toStrictEqual(['Context', 'Decision', 'Consequences']);
});

test('the README has both lines that work on a machine with only Node, npm and git', () => {
  const lines = textOf('README.md').split('\n');
  expect(lines).toContain('npm ci && npm start');
  expect(lines).toContain('npm ci && npm test');
});

test("continuous integration runs the README's test line", () => {
  expect(textOf('.ci/run').split('\n')).toContain('npm ci && npm test');
});

test('every script that a page names is there', () => {
  const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> };
  const named = pages.flatMap((page) =>
    Array.from(textOf(page).matchAll(/\bnpm run ([a-z][a-z:-]*)/g), ([, name = '']) => name),
  );
  expect(named.filter((name) => scripts[name] === undefined)).toStrictEqual([]);
  expect(named).not.toHaveLength(0);
});
