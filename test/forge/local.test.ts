import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isCurrent } from '../../src/forge/forge.ts';
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

  it('writes nothing the second time, not even at another time of day', async () => {
    const { forge, dir } = await makeForge();
    await forge.propose(await draftOf(forge), { now: NOW });
    const before = refsOf(dir);
    const objects = git(dir, 'count-objects', '-v');
    const again = await draftOf(forge, {
      trailers: [
        ['Sluice-Now', LATER.toISOString()],
        ['Sluice-Catalog', 'sha256:00'],
      ],
    });
    expect(await forge.propose(again, { now: LATER })).toEqual({ number: 1, outcome: 'unchanged' });
    expect(refsOf(dir)).toBe(before);
    expect(git(dir, 'count-objects', '-v')).toBe(objects);
  });

  it.each([
    ['title', { title: 'Promote one build' }],
    ['body', { body: 'other words' }],
    ['labels', { labels: ['security'] }],
    ['trailers', { trailers: [['Sluice-Catalog', 'sha256:01']] as const }],
    ['files', { files: new Map([[PATH, pins({ 0: '1-3' })]]) }],
  ])('updates the same pull request when the %s changed', async (_, changed) => {
    const { forge } = await makeForge();
    await forge.propose(await draftOf(forge), { now: NOW });
    expect(await forge.propose(await draftOf(forge, changed), { now: LATER })).toEqual({
      number: 1,
      outcome: 'updated',
    });
    expect(await forge.get(1)).toMatchObject({ ...draftless(changed), openedAt: NOW, updatedAt: LATER });
    expect(await forge.list()).toHaveLength(1);
  });

  const draftless = ({ files: _, ...rest }: Record<string, unknown>) => rest;

  it('changes nothing when main moved elsewhere, and follows when it moved in the same files', async () => {
    const { forge, dir } = await makeForge();
    await forge.propose(await draftOf(forge), { now: NOW });
    const other = { branch: 'sluice/sync/x', files: new Map([['snapshots/x.yaml', 'x\n']]) };
    await forge.propose(await draftOf(forge, other), { now: NOW });
    await forge.merge(2, ANNA);
    const before = refsOf(dir);
    expect(await forge.propose(await draftOf(forge), { now: LATER })).toMatchObject({ outcome: 'unchanged' });
    expect(refsOf(dir)).toBe(before);

    const same = { branch: 'sluice/sync/y', files: new Map([[PATH, pins({ 9: '2-1' })]]) };
    await forge.propose(await draftOf(forge, same), { now: NOW });
    await forge.merge(3, ANNA);
    const refreshed = await draftOf(forge, { files: new Map([[PATH, pins({ 0: '1-2', 9: '2-1' })]]) });
    expect(await forge.propose(refreshed, { now: LATER })).toEqual({ number: 1, outcome: 'updated' });
    expect((await forge.get(1)).base).toBe(await forge.tip());
  });

  it('keeps what a person pushed on top: nothing new is unchanged, something new is a conflict', async () => {
    const { forge, clone, dir } = await makeForge();
    const draft = await draftOf(forge);
    await forge.propose(draft, { now: NOW });
    git(clone.root, 'fetch', '-q', 'origin');
    git(clone.root, 'checkout', '-q', '-b', 'mine', `origin/${draft.branch}`);
    expect(push(clone.root, draft.branch, 'README', 'a person’s words\n').status).toBe(0);
    const pull = await forge.get(1);
    expect(pull.head).toBe(git(clone.root, 'rev-parse', 'HEAD'));
    expect(pull.head).not.toBe(pull.proposed);
    const before = refsOf(dir);
    expect(await forge.propose(draft, { now: LATER })).toMatchObject({ outcome: 'unchanged' });
    const changed = { ...draft, body: 'new facts' };
    await expect(forge.propose(changed, { now: LATER })).rejects.toMatchObject({ code: 'FORGE_CONFLICT' });
    expect(refsOf(dir)).toBe(before);
    await forge.merge(1, ANNA);
    expect(git(dir, 'show', 'main:README')).toBe('a person’s words');
  });

  it('does not take over a branch that it did not make', async () => {
    const { forge, clone } = await makeForge();
    const draft = await draftOf(forge);
    expect(push(clone.root, draft.branch, 'README', 'mine\n').status).toBe(0);
    await expect(forge.propose(draft, { now: NOW })).rejects.toMatchObject({ code: 'FORGE_CONFLICT' });
    expect(await forge.list()).toEqual([]);
  });

  it('puts a deleted branch there again', async () => {
    const { forge, clone } = await makeForge();
    const draft = await draftOf(forge);
    await forge.propose(draft, { now: NOW });
    expect(gitTry(clone.root, 'push', '-q', 'origin', `:${draft.branch}`).status).toBe(0);
    await expect(forge.merge(1, ANNA)).rejects.toMatchObject({ code: 'FORGE_REFUSED' });
    expect(await forge.propose(draft, { now: NOW })).toEqual({ number: 1, outcome: 'updated' });
    await forge.merge(1, ANNA);
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

  it('deletes files, and refuses what changes nothing or starts elsewhere than on main', async () => {
    const { forge, clone, dir } = await makeForge();
    await forge.propose(await draftOf(forge, { files: new Map([[PATH, null]]) }), { now: NOW });
    expect(git(dir, 'ls-tree', '-r', '--name-only', (await forge.get(1)).head)).toBe(
      'README\npolicies/site.yaml',
    );
    const same = await draftOf(forge, { branch: 'sluice/x', files: new Map([[PATH, pins()]]) });
    await expect(forge.propose(same, { now: NOW })).rejects.toMatchObject({ code: 'FORGE_REFUSED' });
    push(clone.root, 'elsewhere', 'README', 'mine\n');
    const base = git(clone.root, 'rev-parse', 'HEAD');
    const off = await draftOf(forge, { branch: 'sluice/x', base });
    await expect(forge.propose(off, { now: NOW })).rejects.toMatchObject({ code: 'FORGE_REFUSED' });
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

  it('merges neighbours as text, names the files that do not, and writes nothing then', async () => {
    const { forge, dir } = await makeForge();
    const bump = (i: number, to: string) => ({
      branch: `sluice/b${i}-${to}`,
      files: new Map([[PATH, pins({ [i]: to })]]),
    });
    const base = await forge.tip();
    for (const b of [bump(3, '2-1'), bump(4, '2-1'), bump(3, '3-1')]) {
      await forge.propose(await draftOf(forge, { ...b, base }), { now: NOW });
    }
    await forge.merge(1, ANNA);
    const { tip, head, tree } = await forge.preview(2);
    expect([tip, head]).toEqual([await forge.tip(), (await forge.get(2)).head]);
    const merge = await forge.merge(2, { ...ANNA, tip, head });
    expect(git(dir, 'rev-parse', `${merge}^{tree}`)).toBe(tree);
    expect(git(dir, 'show', `main:${PATH}`)).toBe(pins({ 3: '2-1', 4: '2-1' }).slice(0, -1));
    const before = refsOf(dir);
    const conflict = { code: 'FORGE_CONFLICT', at: PATH, message: `#3 conflicts with main in ${PATH}` };
    await expect(forge.preview(3)).rejects.toMatchObject(conflict);
    await expect(forge.merge(3, ANNA)).rejects.toMatchObject(conflict);
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

  it('refuses what is no longer what was checked', async () => {
    const { forge } = await makeForge();
    await forge.propose(await draftOf(forge), { now: NOW });
    const { head, tip } = await forge.preview(1);
    await forge.propose(await draftOf(forge, { body: 'new' }), { now: LATER });
    await expect(forge.merge(1, { ...ANNA, head })).rejects.toMatchObject({ code: 'FORGE_CONFLICT' });
    await forge.propose(await draftOf(forge, { branch: 'sluice/x', files: new Map([['x', 'x']]) }), {
      now: LATER,
    });
    await forge.merge(2, ANNA);
    await expect(forge.merge(1, { ...ANNA, tip })).rejects.toMatchObject({ code: 'FORGE_CONFLICT' });
  });

  it('refuses what is closed; and a merged one cannot be closed', async () => {
    const { forge } = await makeForge();
    await forge.propose(await draftOf(forge), { now: NOW });
    await forge.close(1, { ...ANNA, comment: 'superseded by #2' });
    await forge.close(1, ANNA);
    expect((await forge.get(1)).comments).toEqual([{ by: ANNA.by, at: LATER, text: 'superseded by #2' }]);
    expect(await forge.get(1)).toMatchObject({ state: 'closed', closedAt: LATER });
    await expect(forge.merge(1, ANNA)).rejects.toMatchObject({ code: 'FORGE_REFUSED' });
    await expect(forge.approve(1, ANNA)).rejects.toMatchObject({ code: 'FORGE_REFUSED' });
    await forge.propose(await draftOf(forge), { now: NOW });
    await forge.merge(2, ANNA);
    await expect(forge.close(2, ANNA)).rejects.toMatchObject({ code: 'FORGE_REFUSED' });
    await expect(forge.get(9)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(forge.get(-1)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('leaves a trail: one commit per event in refs/sluice/pulls', async () => {
    const { forge, dir } = await makeForge();
    await forge.propose(await draftOf(forge), { now: NOW });
    await forge.approve(1, ANNA);
    await forge.approve(1, ANNA);
    await forge.comment(1, { ...ANNA, text: 'good' });
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

it('an approval is of a head: a pushed or proposed change makes it stale', async () => {
  const { forge } = await makeForge();
  await forge.propose(await draftOf(forge), { now: NOW });
  await forge.approve(1, ANNA);
  const current = async () => {
    const pull = await forge.get(1);
    return pull.approvals.map((approval) => isCurrent(pull, approval));
  };
  expect(await current()).toEqual([true]);
  await forge.propose(await draftOf(forge, { body: 'new' }), { now: LATER });
  expect(await current()).toEqual([false]);
  await forge.approve(1, ANNA);
  expect(await current()).toEqual([false, true]);
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
