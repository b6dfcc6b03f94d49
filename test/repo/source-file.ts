import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** Files below some folders of the repository, by their path from its root. */
export function filesBelow(folders: readonly string[], ending: string): readonly string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .map((path) => posix.join(folder, path.replaceAll('\\', '/')))
      // Packages and code of generators have names of their own.
      .filter((path) => path.endsWith(ending) && !/\/(?:node_modules|generated)\//.test(path))
      .toSorted(),
  );
}

export function textOf(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

export interface Import {
  /** `./parse.ts`, `zod`, `node:fs`. */
  readonly specifier: string;
  /** Erased by the compiler. */
  readonly isTypeOnly: boolean;
}

const statement = /^(?:import|export)\s+(type\s)?(?:[^;'"]*?\sfrom\s+)?['"]([^'"]+)['"]/gm;
const dynamic = /\bimport\(\s*'([^']+)'/g;

/** Everything a module imports or exports from elsewhere. */
export function importsOf(text: string): readonly Import[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '');
  return [
    ...Array.from(code.matchAll(statement), ([, type, specifier = '']) => ({
      specifier,
      isTypeOnly: type !== undefined,
    })),
    ...Array.from(code.matchAll(dynamic), ([, specifier = '']) => ({
      specifier,
      isTypeOnly: false,
    })),
  ];
}

/** The text without comments and plain string literals, so that words in them count for nothing. */
export function codeOf(text: string): string {
  const literal = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g;
  return text.replace(literal, (found) => (found.startsWith('/') ? ' ' : "''"));
}

/** `src/schemas/parse.ts` → `schemas`; a file right in src/ is its own name. */
export function layerOf(path: string): string {
  return path.split('/')[1] ?? '';
}

/** The path from the root that a relative specifier of a file means. */
export function targetOf(path: string, specifier: string): string {
  return posix.join(posix.dirname(path), specifier);
}

/** `@bufbuild/protobuf/wkt` → `@bufbuild/protobuf`. */
export function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}
