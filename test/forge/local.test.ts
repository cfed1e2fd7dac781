import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openHistory } from '../../src/forge/history.ts';
import { initLocalForge, openLocalForge } from '../../src/forge/local.ts';
import { git, gitTry, gitWith } from '../fixtures/gitHistory.ts';
import { draftOf, LATER, makeForge, NOW, PATH, pins, refsOf } from '../fixtures/localForge.ts';
import { tempDir } from '../fixtures/tempDir.ts';

const ANNA = { by: 'Anna <anna@example.org>', now: LATER };

/** A person's commit on a branch of the clone, pushed. */
function push(clone: string, branch: string, file: string, text: string, ...args: string[]) {
  writeFileSync(join(clone, file), text);
  git(clone, 'add', '-A');
  git(clone, 'commit', '-qm', 'by hand');
  return gitTry(clone, 'push', '-q', ...args, 'origin', `HEAD:refs/heads/${branch}`);
}

describe('propose', () => {
  it('makes one commit on the base, with the trailers and the given times', async () => {
    const { forge, dir } = await makeForge();
    const draft = await draftOf(forge);
    expect(await forge.propose(draft, { now: NOW })).toEqual({ number: 1, outcome: 'opened' });
    const pull = await forge.get(1);
    expect(pull).toMatchObject({
      number: 1,
      state: 'open',
      base: draft.base,
      title: draft.title,
      body: draft.body,
    });
    expect(pull).toMatchObject({ openedAt: NOW, openedBy: 'sluice <sluice@localhost>', proposed: pull.head });
    expect(git(dir, 'log', '-1', '--format=%P|%an <%ae>|%cn <%ce>|%aI|%cI|%B', pull.head)).toBe(
      `${draft.base}|sluice <sluice@localhost>|sluice <sluice@localhost>|2026-03-10T09:00:00+00:00|` +
        `2026-03-10T09:00:00+00:00|${draft.title}\n\nSluice-Now: ${NOW.toISOString()}\nSluice-Catalog: sha256:00\n`,
    );
    expect(git(dir, 'show', `${pull.head}:${PATH}`)).toBe(pins({ 0: '1-2' }).slice(0, -1));
    expect(git(dir, 'diff', '--name-only', draft.base, pull.head)).toBe(PATH);
    expect(git(dir, 'rev-parse', 'refs/pull/1/head')).toBe(pull.head);
    expect(await forge.diff(1)).toContain('-  p0.noarch: "1-1"\n+  p0.noarch: "1-2"\n');
  });

  it('opens a new pull request for a branch whose last one has ended', async () => {
    const { forge } = await makeForge();
    await forge.propose(await draftOf(forge), { now: NOW });
    await forge.close(1, ANNA);
    expect(await forge.propose(await draftOf(forge), { now: LATER })).toEqual({
      number: 2,
      outcome: 'opened',
    });
    await forge.merge(2, ANNA);
    const next = await draftOf(forge, { files: new Map([[PATH, pins({ 0: '1-9' })]]) });
    expect(await forge.propose(next, { now: LATER })).toEqual({ number: 3, outcome: 'opened' });
    expect((await forge.list()).map(({ number, state }) => [number, state])).toEqual([
      [3, 'open'],
      [2, 'merged'],
      [1, 'closed'],
    ]);
    expect((await forge.list({ state: 'closed' })).map(({ number }) => number)).toEqual([1]);
  });
});

describe('merge', () => {
  it('makes a merge commit, never a fast-forward, not dated before main', async () => {
    const { forge, dir } = await makeForge();
    const tip = await forge.tip();
    await forge.propose(await draftOf(forge), { now: NOW });
    const head = (await forge.get(1)).head;
    const early = new Date('2026-01-01T00:00:00Z'); // a clock that is behind
    const merge = await forge.merge(1, { by: 'Anna <anna@example.org>', now: early });
    expect(await forge.tip()).toBe(merge);
    expect(git(dir, 'log', '-1', '--format=%P|%an|%cn|%cI', merge)).toBe(
      `${tip} ${head}|Anna|sluice|2026-03-01T00:00:00+00:00`,
    );
    expect(git(dir, 'log', '-1', '--format=%(trailers:only,unfold)', merge)).toBe(
      `Sluice-Now: ${NOW.toISOString()}\nSluice-Catalog: sha256:00\nSluice-Pull: 1\nSluice-Merged-By: Anna <anna@example.org>\n`,
    );
    expect(await forge.get(1)).toMatchObject({ state: 'merged', mergeCommit: merge, head, mergedAt: early });
    expect(refsOf(dir)).not.toContain('refs/heads/sluice/');
    expect(await forge.diff(1)).toContain('+  p0.noarch: "1-2"');
    expect(await forge.merge(1, ANNA)).toBe(merge); // twice is harmless
    const history = await openHistory(dir, 'main');
    expect(history.chain.map(({ id }) => id)).toEqual([merge, tip]);
    history.acceptTip(tip);
  });

  it('names the files that do not merge, and writes nothing then', async () => {
    const { forge, dir } = await makeForge();
    const base = await forge.tip();
    for (const to of ['2-1', '3-1']) {
      const bump = { branch: `sluice/${to}`, files: new Map([[PATH, pins({ 3: to })]]) };
      await forge.propose(await draftOf(forge, { ...bump, base }), { now: NOW });
    }
    await forge.merge(1, ANNA);
    const before = refsOf(dir);
    const conflict = { code: 'FORGE_CONFLICT', at: PATH, message: `#2 conflicts with main in ${PATH}` };
    await expect(forge.preview(2)).rejects.toMatchObject(conflict);
    await expect(forge.merge(2, ANNA)).rejects.toMatchObject(conflict);
    expect(refsOf(dir)).toBe(before);
  });

  it('never follows a file that one side deleted into one that the other side added', async () => {
    const { forge } = await makeForge();
    const base = await forge.tip();
    const moved = new Map([
      [PATH, null],
      ['snapshots/infra/prod/rocky-9-x86_64-baseos.yaml', pins()],
    ]);
    await forge.propose(await draftOf(forge, { base, branch: 'sluice/move', files: moved }), { now: NOW });
    await forge.propose(await draftOf(forge, { base }), { now: NOW });
    await forge.merge(1, ANNA);
    await expect(forge.merge(2, ANNA)).rejects.toMatchObject({ code: 'FORGE_CONFLICT', at: PATH });
  });

  it.each([
    ['a file and a folder of that name', { 'snapshots/a': 'x' }, { 'snapshots/a/b': 'y' }],
    ['added twice, differently', { n: 'x\n' }, { n: 'y\n' }],
    ['taken out here, changed there', { README: null }, { README: 'changed\n' }],
  ])('takes for a conflict: %s', async (_, one, two) => {
    const { forge, dir } = await makeForge();
    const base = await forge.tip();
    for (const [branch, files] of [
      ['sluice/one', one],
      ['sluice/two', two],
    ] as const) {
      await forge.propose(await draftOf(forge, { base, branch, files: new Map(Object.entries(files)) }), {
        now: NOW,
      });
    }
    await forge.merge(1, ANNA);
    const before = refsOf(dir);
    await expect(forge.merge(2, ANNA)).rejects.toMatchObject({ code: 'FORGE_CONFLICT' });
    expect(refsOf(dir)).toBe(before);
  });

  it('merges what both sides did alike, and what one side took out', async () => {
    const { forge, dir } = await makeForge();
    const base = await forge.tip();
    const one = new Map([
      ['README', null],
      ['n', 'x\n'],
    ]);
    const two = new Map([
      ['README', null],
      ['n', 'x\n'],
      ['m', 'x\n'],
    ]);
    await forge.propose(await draftOf(forge, { base, branch: 'sluice/one', files: one }), { now: NOW });
    await forge.propose(await draftOf(forge, { base, branch: 'sluice/two', files: two }), { now: NOW });
    await forge.merge(1, ANNA);
    await forge.merge(2, ANNA);
    expect(git(dir, 'ls-tree', '-r', '--name-only', 'main').split('\n')).toEqual([
      'm',
      'n',
      'policies/site.yaml',
      PATH,
    ]);
  });

  it('leaves a trail: one commit per event in refs/sluice/pulls', async () => {
    const { forge, dir } = await makeForge();
    await forge.propose(await draftOf(forge), { now: NOW });
    await forge.approve(1, ANNA);
    await forge.approve(1, ANNA);
    await forge.comment(1, { ...ANNA, text: 'good' });
    expect((await forge.get(1)).comments).toEqual([{ by: ANNA.by, at: LATER, text: 'good' }]);
    await forge.merge(1, ANNA);
    expect(git(dir, 'log', '--reverse', '--format=%an %aI %s', 'refs/sluice/pulls').split('\n')).toEqual([
      'sluice 2026-03-10T09:00:00+00:00 #1 opened: Promote 1 build to infra-stable',
      'Anna 2026-03-10T10:00:00+00:00 #1 approved by Anna <anna@example.org>',
      'Anna 2026-03-10T10:00:00+00:00 #1 commented by Anna <anna@example.org>',
      'Anna 2026-03-10T10:00:00+00:00 #1 merged by Anna <anna@example.org>: Promote 1 build to infra-stable',
    ]);
    expect(git(dir, 'fsck', '--strict')).toBe('');
  });
});

describe('a person’s branch', () => {
  it('is opened, shown and merged like a bot’s', async () => {
    const { forge, clone } = await makeForge();
    push(clone.root, 'fix-readme', 'README', 'better\n');
    const opened = { ...ANNA, branch: 'fix-readme', title: 'Better words' };
    expect(await forge.open(opened)).toEqual({ number: 1, outcome: 'opened' });
    expect(await forge.open(opened)).toEqual({ number: 1, outcome: 'unchanged' });
    expect((await forge.get(1)).proposed).toBeUndefined();
    await forge.merge(1, ANNA);
    await expect(forge.open({ ...opened, branch: 'nosuch' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(forge.open({ ...opened, branch: 'main' })).rejects.toMatchObject({ code: 'FORGE_REFUSED' });
  });
});

describe('nobody pushes to main', () => {
  it.each([
    ['a fast-forward', ['HEAD:main'], 'nobody pushes to main'],
    ['a rewrite', ['+HEAD~1:main'], 'nobody pushes to main'],
    ['a deletion', [':main'], 'main is not deleted'],
    ['the record', ['+HEAD:refs/sluice/pulls'], 'refs/sluice is the record'],
    ['a new ref beside the record', ['HEAD:refs/sluice/x'], 'refs/sluice is the record'],
    ['its deletion', [':refs/sluice/pulls'], 'refs/sluice is the record'],
    ['the head of a pull request', ['+HEAD:refs/pull/1/head'], 'refs/pull is written by the forge'],
    [
      'a replacement',
      ['HEAD:refs/replace/0123456789012345678901234567890123456789'],
      'refs/replace would rewrite',
    ],
    ['main beside an innocent branch', ['HEAD:fine', 'HEAD:main'], 'nobody pushes to main'],
    ['main in capitals', ['HEAD:refs/heads/MAIN'], 'nobody pushes to main'],
  ])('by %s', async (_, refspecs, words) => {
    const { forge, clone, dir } = await makeForge();
    await forge.propose(await draftOf(forge), { now: NOW });
    git(clone.root, 'commit', '-q', '--allow-empty', '-m', 'one');
    git(clone.root, 'commit', '-q', '--allow-empty', '-m', 'two');
    const before = refsOf(dir);
    // an operator's own hooks folder must not replace the forge's
    const global = join(await tempDir(), 'config');
    writeFileSync(global, '[core]\n\thooksPath = /nowhere\n');
    expect(() =>
      gitWith({ GIT_CONFIG_GLOBAL: global }, clone.root, 'push', '-q', 'origin', ...refspecs),
    ).toThrow(words);
    expect(refsOf(dir)).toBe(before);
  });

  it('but the first push may bring it, and other branches are free', async () => {
    const folder = await tempDir();
    const forge = await initLocalForge(join(folder, 'f.git'));
    await expect(forge.tip()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    git(folder, 'init', '-q', '-b', 'main', 'w');
    const w = join(folder, 'w');
    git(w, 'commit', '-q', '--allow-empty', '-m', 'one');
    git(w, 'remote', 'add', 'origin', join(folder, 'f.git'));
    expect(gitTry(w, 'push', '-q', 'origin', 'main').status).toBe(0);
    expect(await forge.tip()).toBe(git(w, 'rev-parse', 'HEAD'));
    expect(gitTry(w, 'push', '-q', 'origin', 'main:topic').status).toBe(0);
    expect(gitTry(w, 'push', '-q', 'origin', ':topic').status).toBe(0);
  });
});

it('setting it up again renews the rules and keeps everything else', async () => {
  const { forge, dir } = await makeForge();
  await forge.propose(await draftOf(forge), { now: NOW });
  const before = refsOf(dir);
  execFileSync('rm', [join(dir, 'hooks', 'pre-receive')]);
  await initLocalForge(dir);
  expect(refsOf(dir)).toBe(before);
  execFileSync('sh', ['-n', join(dir, 'hooks', 'pre-receive')]);
  await expect(openLocalForge(join(dir, '..'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
});
