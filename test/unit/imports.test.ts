import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SRC = join(ROOT, 'src');

/** What each folder may import of the others: dependencies point downwards (docs: the parts of the tree). */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  json: [],
  flight: [],
  telemetry: ['json'],
  packed: ['telemetry'],
  certificates: [],
  demo: [],
  image: ['json'],
  config: ['json'],
  registry: ['image', 'flight', 'json', 'telemetry'],
  resolver: ['registry', 'image', 'flight', 'packed', 'telemetry'],
  credentials: ['registry', 'image', 'flight', 'json', 'telemetry'],
  pins: ['credentials', 'resolver', 'registry', 'image', 'flight', 'json', 'packed', 'telemetry'],
  fleet: ['pins', 'credentials', 'registry', 'image', 'packed', 'telemetry'],
  kubernetes: [
    'admission',
    'pins',
    'credentials',
    'certificates',
    'image',
    'flight',
    'packed',
    'telemetry',
    'json',
  ],
  admission: ['pins', 'credentials', 'resolver', 'registry', 'image', 'json', 'telemetry'],
  server: ['admission', 'flight', 'telemetry'],
  dashboard: ['admission', 'image', 'telemetry'],
  commands: [
    'json',
    'flight',
    'telemetry',
    'certificates',
    'demo',
    'image',
    'config',
    'registry',
    'resolver',
    'credentials',
    'pins',
    'fleet',
    'kubernetes',
    'admission',
    'server',
    'dashboard',
  ],
  'main.ts': ['commands'],
};

/** Packages that only some folders may know. */
const KEPT_TO: Readonly<Record<string, readonly string[]>> = {
  '@kubernetes/client-node': ['kubernetes', 'commands'],
  undici: ['registry', 'kubernetes', 'demo'],
  express: ['server', 'dashboard'],
  uplot: ['dashboard'],
  ws: ['kubernetes'],
};

interface Import {
  /** Relative to src, with slashes. */
  readonly file: string;
  /** As it stands there. */
  readonly specifier: string;
  /** Relative to src, where it is a file of the project. */
  readonly target: string | undefined;
}

const FROM = /^\s*(?:import|export)\s(?:[^;'"]*?\sfrom\s+)?['"]([^'"]+)['"]|^\}\s+from\s+['"]([^'"]+)['"]/gm;
const DYNAMIC = /\bimport\(\s*['"]([^'"]+)['"]/g;

/** What a source file imports: statically, for types alone, for side effects, or when it gets there. */
function specifiersOf(source: string): string[] {
  const found = [...source.matchAll(FROM), ...source.matchAll(DYNAMIC)];
  return found.map(([, specifier, last]) => specifier ?? last ?? '');
}

function importsOf(file: string): Import[] {
  return specifiersOf(readFileSync(join(SRC, file), 'utf8')).map((specifier) => {
    const target = specifier.startsWith('.') ? relative(SRC, join(SRC, dirname(file), specifier)) : undefined;
    return { file, specifier, target: target?.replaceAll('\\', '/') };
  });
}

function partOf(file: string): string {
  return file.split('/')[0] ?? '';
}

const FILES = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => file.endsWith('.ts'));
const IMPORTS = FILES.flatMap(importsOf);
const text = ({ file, specifier }: Import): string => `${file} imports ${specifier}`;

/** Files that lead back to themselves, one circle each. */
function circles(imports: readonly Import[]): string[] {
  const targets = Map.groupBy(imports, ({ file }) => file);
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    const start = path.indexOf(file);
    if (start !== -1) found.push([...path.slice(start), file].join(' -> '));
    if (start !== -1 || done.has(file)) return;
    for (const { target } of targets.get(file) ?? [])
      if (target !== undefined) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of targets.keys()) visit(file, []);
  return found;
}

const edge = (file: string, target: string): Import => ({ file, specifier: target, target });

describe('what finds imports', () => {
  test.each([
    [`import { a } from './a.ts';`, './a.ts'],
    [`import type { A } from "./a.ts";`, './a.ts'],
    [`import a, {\n  b,\n  type C,\n} from '../a.ts';`, '../a.ts'],
    [`import * as a from 'a';`, 'a'],
    [`import 'reflect-metadata';`, 'reflect-metadata'],
    [`export { a } from './a.ts';`, './a.ts'],
    [`export type * from './a.ts';`, './a.ts'],
    [`import a from './a.json' with { type: 'json' };`, './a.json'],
    [`const a = await import('./a.ts');`, './a.ts'],
    [`let a: import('./a.ts').A;`, './a.ts'],
  ])('finds %j', (source, specifier) => {
    expect(specifiersOf(source)).toEqual([specifier]);
  });

  test('finds nothing in comments and texts', () => {
    expect(specifiersOf(`// import { a } from './a.ts'\nconst a = "from 'b'";\nimport.meta.url;`)).toEqual(
      [],
    );
  });

  test('finds circles', () => {
    expect(circles([edge('a', 'b'), edge('b', 'c'), edge('a', 'c')])).toEqual([]);
    expect(circles([edge('a', 'b'), edge('b', 'c'), edge('c', 'b')])).toEqual(['b -> c -> b']);
    expect(circles([edge('a', 'a')])).toEqual(['a -> a']);
  });
});

describe('imports in src', () => {
  test('are found at all', () => {
    expect(FILES.length).toBeGreaterThan(40);
    expect(IMPORTS.length).toBeGreaterThan(150);
  });

  test('name files that exist', () => {
    const missing = IMPORTS.filter(({ target }) => target?.endsWith('.ts') && !FILES.includes(target));
    expect(missing.map(text)).toEqual([]);
  });

  test('belong to a folder that has its place', () => {
    expect([...new Set(FILES.map(partOf))].filter((part) => !(part in ALLOWED))).toEqual([]);
  });

  test('point downwards', () => {
    const wrong = IMPORTS.filter(({ file, target }) => {
      if (target === undefined || partOf(target) === partOf(file)) return false;
      return !(ALLOWED[partOf(file)] ?? []).includes(partOf(target));
    });
    expect(wrong.map(text)).toEqual([]);
  });

  test.each(Object.entries(KEPT_TO))('of %s stay in %j', (name, parts) => {
    const users = IMPORTS.filter(({ specifier }) => specifier === name || specifier.startsWith(`${name}/`));
    expect(users.length).toBeGreaterThan(0);
    expect(users.filter(({ file }) => !parts.includes(partOf(file))).map(text)).toEqual([]);
  });

  test('never leave src, so nothing comes from the tests', () => {
    expect(IMPORTS.filter(({ target }) => target?.startsWith('..')).map(text)).toEqual([]);
    expect(IMPORTS.filter(({ specifier }) => specifier.startsWith('/')).map(text)).toEqual([]);
  });

  test('go in no circle', () => {
    expect(circles(IMPORTS)).toEqual([]);
  });
});
