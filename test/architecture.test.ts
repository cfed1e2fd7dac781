import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { basename, join, normalize, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type FolderRule, type ImportTable, readImportTable } from './fixtures/importTable.ts';
import { callsOf, importsOf, isBarrel, parseSource, type Source } from './fixtures/syntax.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MAX_LINES = 500;

const table = readImportTable(readFileSync(join(ROOT, 'src/README.md'), 'utf8'));
const sources = filesBelow('src').map(readSource);

describe('the import table of src/README.md', () => {
  it('names every folder of src, and no other', () => {
    const folders = new Set(sources.map((s) => folderOf(s.path)));
    for (const folder of folders) expect([...table.keys()]).toContain(folder);
  });

  it('has arrows that only go down: no folder reaches itself', () => {
    for (const folder of table.keys()) expect(reachable(table, folder)).not.toContain(folder);
  });

  it('gives every dependency of package.json an importer, and no package that is not one', () => {
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    const named = new Set([...table.values()].flatMap((rule) => [...rule.packages.keys()]));
    expect([...named].sort()).toEqual(Object.keys(dependencies).sort());
  });

  it('is kept by every import of src', () => {
    expect(sources.flatMap((source) => complaintsAbout(source, table))).toEqual([]);
  });
});

describe('every source file', () => {
  const all = [...sources, ...filesBelow('scripts').map(readSource), ...filesBelow('test').map(readSource)];

  it(`has at most ${MAX_LINES} lines`, () => {
    expect(all.filter((s) => s.text.split('\n').length - 1 > MAX_LINES).map((s) => s.path)).toEqual([]);
  });

  it('has no default export and is no barrel', () => {
    const wrong = all.filter(
      (s) => /^index\.[jt]s$/.test(basename(s.path)) || isBarrel(s) || hasDefaultExport(s),
    );
    expect(wrong.map((s) => s.path)).toEqual([]);
  });

  it('asks no object to match a regular expression as it stands: vitest takes it for an object without keys', () => {
    const asking = /toMatchObject\(\{(?:[^}]*,)?\s*\w+:\s*\/[^/]/;
    expect(all.filter((s) => asking.test(s.text)).map((s) => s.path)).toEqual([]);
    const bad = `code: 'X', message: /never/ })`;
    expect(asking.test(`toMatchObject({ ${bad}`)).toBe(true);
  });
});

describe('the test itself', () => {
  it.each([
    ['src/base/x.ts', `import { a } from '../rpm/evr.ts';`, /may not import rpm/],
    ['src/plan/x.ts', `import type { P } from '../pool/pool.ts';`, /may not import pool/],
    ['src/plan/x.ts', `export { p } from '../pool/pool.ts';`, /may not import pool/],
    ['src/plan/x.ts', `const p = await import('../pool/pool.ts');`, /may not import pool/],
    ['src/plan/x.ts', `type P = import('../pool/pool.ts').Pool;`, /may not import pool/],
    ['src/plan/x.ts', `const p = await import(name);`, /import of a computed name/],
    ['src/cli.ts', `import { p } from './plan/promote.ts';`, /may not import plan/],
    ['src/flows/x.ts', `import { request } from 'undici';`, /may not import the package undici/],
    ['src/flows/x.ts', `import x from 'left-pad';`, /may not import the package left-pad/],
    ['src/repodata/comps.ts', `import { parse } from 'yaml';`, /may not import the package yaml/],
    ['src/pool/x.ts', `import { a } from '../../test/a.ts';`, /leaves src/],
    ['src/pool/x.ts', `import { a } from './a.js';`, /must end in \.ts/],
    ['src/pool/x.ts', `import { join } from 'path';`, /must be written node:path/],
    ['src/plan/x.ts', `import { readFileSync } from 'node:fs';`, /pure: no node:fs/],
    ['src/plan/x.ts', `import { randomUUID } from 'node:crypto';`, /pure: no randomUUID/],
    ['src/plan/x.ts', `import * as c from 'node:crypto';`, /pure: no \* of node:crypto/],
    ['src/plan/x.ts', `const t = Date.now();`, /pure: no Date\.now/],
    ['src/plan/x.ts', `const t = Date();`, /pure: no Date\(\)/],
    ['src/plan/x.ts', `const t = new Date;`, /pure: no new Date\(\)/],
    ['src/plan/x.ts', `const t = globalThis.Date.now();`, /pure: no globalThis/],
    ['src/plan/x.ts', `const t = performance.now();`, /pure: no performance/],
    ['src/plan/x.ts', `const t = Math['random']();`, /pure: no Math\.random/],
    ['src/plan/x.ts', `const t = process.env['HOME'];`, /pure: no process/],
    ['src/plan/x.ts', `console.log(1);`, /pure: no console/],
    ['src/plan/x.ts', `setTimeout(() => {}, 1);`, /pure: no setTimeout/],
    ['src/plan/x.ts', `await fetch('http://x');`, /pure: no fetch/],
    ['src/publish/x.ts', `execFileSync('git', ['log']);`, /only forge starts git/],
    ['src/publish/x.ts', `promisify(execFile)('git', ['log']);`, /only forge starts git/],
    ['src/flows/x.ts', `spawn('rsync', args, { env });`, /only upstream starts rsync/],
  ])('finds fault with %s: %s', (path, text, complaint) => {
    const found = complaintsAbout({ path, text, program: parseSource(text) }, table);
    expect(found).toEqual([expect.stringMatching(complaint)]);
  });

  it.each([
    ['src/plan/x.ts', `import { compareEvr } from '../rpm/evr.ts'; import { p } from './rules.ts';`],
    ['src/plan/x.ts', `import { createHash } from 'node:crypto'; const d = new Date(now); // Date.now()`],
    ['src/plan/x.ts', `const words = "import('undici')"; const p = plan.process; const c = { console: 1 };`],
    ['src/repodata/modules.ts', `import { parseDocument } from 'yaml';`],
    ['src/upstream/client.ts', `import { request } from 'undici'; import { open } from 'node:fs/promises';`],
    ['src/manifest/x.ts', `import schema from './schemas/team.schema.json' with { type: 'json' };`],
    ['src/flows/version.ts', `import manifest from '../../package.json' with { type: 'json' };`],
    ['src/forge/git.ts', `execFile('git', ['log'])`],
    ['src/upstream/x.ts', `spawn('rsync', args)`],
    ['src/flows/x.ts', `import { p } from '../plan/promote.ts'; import { f } from '../forge/forge.ts';`],
  ])('has nothing to say of %s: %s', (path, text) => {
    expect(complaintsAbout({ path, text, program: parseSource(text) }, table)).toEqual([]);
  });

  it('refuses a table that names a folder it does not have', () => {
    expect(() =>
      readImportTable('| folder | imports | packages | pure |\n|-|-|-|-|\n| `a` | b | | |\n'),
    ).toThrow(/b/);
    expect(() => readImportTable('no table here')).toThrow(/no import table/);
  });
});

/** Files of a folder by their path from the root, generated ones and fixtures of other programs left out. */
function filesBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.[cm]?[jt]s$/.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .sort();
}

function readSource(path: string): Source {
  const text = readFileSync(join(ROOT, path), 'utf8');
  return { path, text, program: parseSource(text) };
}

/** `src/plan/rules.ts` is of `plan`; `src/cli.ts` is a row of its own. */
function folderOf(path: string): string {
  return path.split('/')[1] ?? path;
}

function reachable(of: ImportTable, from: string): string[] {
  const seen = new Set<string>();
  const ahead = [...(of.get(from)?.imports ?? [])];
  for (let next = ahead.pop(); next !== undefined; next = ahead.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    ahead.push(...(of.get(next)?.imports ?? []));
  }
  return [...seen];
}

function hasDefaultExport({ program }: Source): boolean {
  return program.body.some(
    (node) =>
      node.type === 'ExportDefaultDeclaration' ||
      (node.type === 'ExportNamedDeclaration' &&
        node.specifiers.some((s) => s.exported.type === 'Identifier' && s.exported.name === 'default')),
  );
}

function complaintsAbout(source: Source, rules: ImportTable): string[] {
  const folder = folderOf(source.path);
  const rule = rules.get(folder);
  if (!rule) return [`${source.path}: ${folder} is not in the table of src/README.md`];
  const complaints: (string | undefined)[] = [];
  for (const { from, names } of importsOf(source.program)) {
    complaints.push(complaintAboutImport(source.path, folder, rule, from));
    if (rule.pure) complaints.push(...impureImports(from, names));
  }
  for (const call of callsOf(source.program)) {
    if (call.starts === 'git' && folder !== 'forge') complaints.push('only forge starts git');
    if (call.starts === 'rsync' && folder !== 'upstream') complaints.push('only upstream starts rsync');
    if (rule.pure && call.impure) complaints.push(`${folder} is pure: no ${call.impure}`);
  }
  return complaints.filter((c) => c !== undefined).map((c) => `${source.path}: ${c}`);
}

function complaintAboutImport(path: string, folder: string, rule: FolderRule, from: string | undefined) {
  if (from === undefined) return 'import of a computed name';
  if (from.startsWith('node:')) return undefined;
  if (builtinModules.includes(from)) return `${from} must be written node:${from}`;
  if (!from.startsWith('.')) return complaintAboutPackage(path, folder, rule, packageOf(from));
  const target = normalize(posix.join(posix.dirname(path), from));
  if (target === 'package.json') return undefined; // the version
  if (!target.startsWith('src/')) return `${from} leaves src`;
  if (!/\.(ts|json)$/.test(target)) return `${from} must end in .ts`;
  const into = folderOf(target);
  return into === folder || rule.imports.has(into) ? undefined : `${folder} may not import ${into} (${from})`;
}

function complaintAboutPackage(
  path: string,
  folder: string,
  rule: FolderRule,
  name: string,
): string | undefined {
  const file = rule.packages.get(name);
  if (file === 'any' || file === basename(path)) return undefined;
  return `${folder}/${basename(path)} may not import the package ${name}`;
}

/** `@scope/name/deep` is the package `@scope/name`. */
function packageOf(from: string): string {
  return from
    .split('/')
    .slice(0, from.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Built-ins that compute and do nothing else; of crypto only the digests, because random bytes are I/O. */
const PURE_BUILTINS = new Map<string, readonly string[] | 'any'>([
  ['node:buffer', ['Buffer', 'isUtf8', 'isAscii']],
  ['node:crypto', ['createHash', 'hash', 'Hash']],
  ['node:path', 'any'],
  ['node:path/posix', 'any'],
  ['node:util', ['isDeepStrictEqual', 'stripVTControlCharacters']],
]);

function impureImports(from: string | undefined, names: readonly string[]): string[] {
  if (!from?.startsWith('node:')) return [];
  const allowed = PURE_BUILTINS.get(from);
  if (allowed === undefined) return [`pure: no ${from}`];
  return names
    .filter((n) => allowed !== 'any' && !allowed.includes(n))
    .map((n) => `pure: no ${n} of ${from}`);
}
