import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Draft, type Forge, isCurrent, type PullRequest } from '../../src/forge/forge.ts';
import { git, gitTry } from '../fixtures/gitHistory.ts';
import { draftOf, LATER, NOW, PATH, pins } from '../fixtures/localForge.ts';
import { sampled } from '../fixtures/sample.ts';
import { checking, listening } from './contract-said.ts';

/** One implementation of the port, with a main that has `FIRST_FILES` and no open pull request. */
export interface ForgeHost {
  /** As the bot. */
  readonly forge: Forge;
  /** As a person who may approve and merge: a code host lets nobody approve what he proposed. */
  readonly person: Forge;
  readonly by: string;
  /** A clone whose `origin` takes that person's pushes. */
  readonly clone: string;
  /** All refs and records: equal before and after is "nothing was written". */
  written(): Promise<string>;
  /** What is said of a head under each name, newest word only. `annotations`: how many, where the host keeps them. */
  checksOf(number: number, head: string): Promise<readonly SeenCheck[]>;
  /** The person opens a pull request for a branch that he pushed. */
  open(branch: string, title: string): Promise<number>;
}

export interface SeenCheck {
  readonly name: string;
  readonly state: string;
  readonly title: string | null;
  readonly annotations?: number;
}

/** `SLUICE_LIVE_GITHUB=owner/repo` and a token: the suite against a real repository, whose main it rewrites. */
export function liveGithub(): { owner: string; repo: string; token: string; reviewer: string } | undefined {
  const [owner, repo] = (process.env['SLUICE_LIVE_GITHUB'] ?? '').split('/');
  if (!owner || !repo) return undefined;
  const token = process.env['SLUICE_LIVE_TOKEN'];
  const reviewer = process.env['SLUICE_LIVE_REVIEWER_TOKEN'];
  if (!token || !reviewer) {
    throw new Error(
      'SLUICE_LIVE_GITHUB needs SLUICE_LIVE_TOKEN and SLUICE_LIVE_REVIEWER_TOKEN, of two accounts',
    );
  }
  return { owner, repo, token, reviewer };
}

/** What the port promises (src/forge/forge.ts), whoever keeps it. No number is taken for granted, nor a time. */
export function forgeContract(name: string, start: () => Promise<ForgeHost>): void {
  describe(`the port Forge, kept by ${name}`, () => {
    proposing(start);
    whatPeopleDo(start);
    merging(start);
    reading(start);
    listening(start);
    checking(start);
  });
}

const OTHER = { branch: 'sluice/sync/x', files: new Map([['snapshots/x.yaml', 'x\n']]) };

function proposing(start: () => Promise<ForgeHost>): void {
  it('proposes one commit on the base, with its files and trailers', async () => {
    const { forge, clone } = await start();
    const draft = await draftOf(forge, { labels: ['sluice'] });
    const { number, outcome } = await forge.propose(draft, { now: NOW });
    expect(outcome).toBe('opened');
    const pull = await forge.get(number);
    expect(pull).toMatchObject({
      ...wordsOf(draft),
      number,
      state: 'open',
      base: draft.base,
      branch: draft.branch,
    });
    expect(pull.proposed).toBe(pull.head);
    expect(await forge.diff(number)).toContain('-  p0.noarch: "1-1"\n+  p0.noarch: "1-2"\n');
    git(clone, 'fetch', '-q', 'origin');
    expect(git(clone, 'log', '-1', '--format=%H %P', `origin/${draft.branch}`)).toBe(
      `${pull.head} ${draft.base}`,
    );
    expect(git(clone, 'diff', '--name-only', draft.base, pull.head)).toBe(PATH);
    expect(git(clone, 'log', '-1', '--format=%B', pull.head).trimEnd()).toBe(
      `${draft.title}\n\nSluice-Now: ${NOW.toISOString()}\nSluice-Catalog: sha256:00`,
    );
  });

  it('writes nothing the second time, not even at another time of day', async () => {
    const { forge, written } = await start();
    const { number } = await forge.propose(await draftOf(forge), { now: NOW });
    const before = await written();
    const trailers = [
      ['Sluice-Now', LATER.toISOString()],
      ['Sluice-Catalog', 'sha256:00'],
    ] as const;
    const again = await forge.propose(await draftOf(forge, { trailers }), { now: LATER });
    expect(again).toEqual({ number, outcome: 'unchanged' });
    expect(await written()).toBe(before);
  });

  it.each(
    sampled<readonly [string, Partial<Draft>]>(
      [
        ['title', { title: 'Promote one build' }],
        ['body', { body: 'other words' }],
        ['labels', { labels: ['security'] }],
        ['trailers', { trailers: [['Sluice-Catalog', 'sha256:01']] }],
        ['files', { files: new Map([[PATH, pins({ 0: '1-3' })]]) }],
      ],
      3,
    ),
  )('updates the same pull request when the %s changed', async (_, changed) => {
    const { forge } = await start();
    const { number } = await forge.propose(await draftOf(forge), { now: NOW });
    const next = await draftOf(forge, changed);
    expect(await forge.propose(next, { now: LATER })).toEqual({ number, outcome: 'updated' });
    expect(await forge.get(number)).toMatchObject(wordsOf(next));
    expect(await openOnes(forge)).toEqual([number]);
    expect(await forge.propose(next, { now: LATER })).toEqual({ number, outcome: 'unchanged' });
  });

  it('changes nothing when main moved elsewhere, and follows when it moved in the same files', async () => {
    const { forge, person, by, written } = await start();
    const { number } = await forge.propose(await draftOf(forge), { now: NOW });
    const other = await forge.propose(await draftOf(forge, OTHER), { now: NOW });
    await person.merge(other.number, { by, now: LATER });
    const before = await written();
    expect(await forge.propose(await draftOf(forge), { now: LATER })).toEqual({
      number,
      outcome: 'unchanged',
    });
    expect(await written()).toBe(before);

    const same = { branch: 'sluice/sync/y', files: new Map([[PATH, pins({ 9: '2-1' })]]) };
    const third = await forge.propose(await draftOf(forge, same), { now: NOW });
    await person.merge(third.number, { by, now: LATER });
    const refreshed = await draftOf(forge, { files: new Map([[PATH, pins({ 0: '1-2', 9: '2-1' })]]) });
    expect(await forge.propose(refreshed, { now: LATER })).toEqual({ number, outcome: 'updated' });
    expect((await forge.get(number)).base).toBe(await forge.tip());
  });

  it('deletes files; refuses what changes nothing and what starts elsewhere than on main', async () => {
    const { forge, clone } = await start();
    const { number } = await forge.propose(await draftOf(forge, { files: new Map([[PATH, null]]) }), {
      now: NOW,
    });
    git(clone, 'fetch', '-q', 'origin');
    const { head } = await forge.get(number);
    expect(git(clone, 'ls-tree', '-r', '--name-only', head)).toBe('README\npolicies/site.yaml');
    const same = await draftOf(forge, { branch: 'sluice/x', files: new Map([[PATH, pins()]]) });
    await expect(forge.propose(same, { now: NOW })).rejects.toMatchObject({ code: 'FORGE_REFUSED' });
    const base = push(clone, 'elsewhere', 'README', 'mine\n');
    const off = await draftOf(forge, { branch: 'sluice/x', base });
    await expect(forge.propose(off, { now: NOW })).rejects.toMatchObject({ code: 'FORGE_REFUSED' });
  });

  it.each(
    sampled<readonly [string, Partial<Draft>]>(
      [
        ['a branch that is no bot’s', { branch: 'main' }],
        ['a branch that climbs', { branch: 'sluice/../main' }],
        ['a title of two lines', { title: 'one\ntwo' }],
        ['a title that skips the checks', { title: 'Promote [skip ci]' }],
        ['a trailer with a line of its own', { trailers: [['Sluice-Now', 'x\nSluice-Pull: 7']] }],
        ['a body that is no text', { body: 'a\0b' }],
      ],
      3,
    ),
  )('refuses %s before anything is written', async (_, wrong) => {
    const { forge, written } = await start();
    const before = await written();
    await expect(forge.propose(await draftOf(forge, wrong), { now: NOW })).rejects.toMatchObject({
      code: 'MALFORMED',
    });
    expect(await written()).toBe(before);
  });
}

function whatPeopleDo(start: () => Promise<ForgeHost>): void {
  it('keeps what a person pushed on top: nothing new is unchanged, something new is a conflict', async () => {
    const { forge, person, by, clone, written } = await start();
    const draft = await draftOf(forge);
    const { number } = await forge.propose(draft, { now: NOW });
    git(clone, 'fetch', '-q', 'origin');
    git(clone, 'checkout', '-q', '-b', 'mine', `origin/${draft.branch}`);
    const head = push(clone, draft.branch, 'README', 'a person’s words\n');
    const pull = await forge.get(number);
    expect(pull.head).toBe(head);
    expect(pull.proposed).not.toBe(head);
    const before = await written();
    expect(await forge.propose(draft, { now: LATER })).toMatchObject({ outcome: 'unchanged' });
    expect(await written()).toBe(before);
    const changed = { ...draft, files: new Map([[PATH, pins({ 0: '1-3' })]]) };
    for (const again of [1, 2]) {
      const proposed = await forge.propose(changed, { now: LATER });
      expect([again, proposed]).toEqual([again, { number, outcome: 'edited', why: expect.any(String) }]);
    }
    expect((await forge.get(number)).head).toBe(head);
    expect((await forge.get(number)).comments.length).toBeLessThanOrEqual(1);
    const merge = await person.merge(number, { by, now: LATER });
    git(clone, 'fetch', '-q', 'origin');
    expect(git(clone, 'show', `${merge}:README`)).toBe('a person’s words');
  });

  it('does not take over a branch that it did not make', async () => {
    const { forge, clone, written } = await start();
    const draft = await draftOf(forge);
    push(clone, draft.branch, 'README', 'mine\n');
    const before = await written();
    await expect(forge.propose(draft, { now: NOW })).rejects.toMatchObject({ code: 'FORGE_CONFLICT' });
    expect(await written()).toBe(before);
    expect(await openOnes(forge)).toEqual([]);
  });

  it('proposes again what lost its branch: one open pull request, that merges', async () => {
    const { forge, person, by, clone } = await start();
    const draft = await draftOf(forge);
    const first = await forge.propose(draft, { now: NOW });
    expect(gitTry(clone, 'push', '-q', 'origin', `:${draft.branch}`).status).toBe(0);
    await expect(person.merge(first.number, { by, now: LATER })).rejects.toMatchObject({
      code: 'FORGE_REFUSED',
    });
    const { number, outcome } = await forge.propose(draft, { now: LATER });
    expect(outcome).not.toBe('unchanged');
    expect(await openOnes(forge)).toEqual([number]);
    expect(await person.merge(number, { by, now: LATER })).toBe(await forge.tip());
  });

  it('shows and merges a person’s own pull request', async () => {
    const host = await start();
    const head = push(host.clone, 'fix-readme', 'README', 'better\n');
    const number = await host.open('fix-readme', 'Better words');
    const pull = await host.forge.get(number);
    expect(pull).toMatchObject({ number, branch: 'fix-readme', title: 'Better words', head, state: 'open' });
    expect(pull.proposed).toBeUndefined();
    await host.person.merge(number, { by: host.by, now: LATER });
    expect(await host.forge.get(number)).toMatchObject({ state: 'merged', head });
  });

  it('makes an approval stale by whatever changes the head', async () => {
    const { forge, person, by } = await start();
    const { number } = await forge.propose(await draftOf(forge), { now: NOW });
    await person.approve(number, { by, now: LATER });
    const current = (pull: PullRequest): boolean =>
      pull.approvals.some((approval) => isCurrent(pull, approval));
    expect(current(await forge.get(number))).toBe(true);
    await person.approve(number, { by, now: LATER });
    expect((await forge.get(number)).approvals).toHaveLength(1);
    await forge.propose(await draftOf(forge, { files: new Map([[PATH, pins({ 0: '1-3' })]]) }), {
      now: LATER,
    });
    expect(current(await forge.get(number))).toBe(false);
    await person.approve(number, { by, now: LATER });
    expect(current(await forge.get(number))).toBe(true);
  });
}

function merging(start: () => Promise<ForgeHost>): void {
  it('makes a merge commit of main and the head, never a fast-forward; twice is harmless', async () => {
    const { forge, person, by, clone } = await start();
    const tip = await forge.tip();
    const { number } = await forge.propose(await draftOf(forge), { now: NOW });
    const { head, tree } = await forge.preview(number);
    const merge = await person.merge(number, { by, now: LATER });
    expect(await forge.tip()).toBe(merge);
    git(clone, 'fetch', '-q', 'origin');
    expect(git(clone, 'log', '-1', '--format=%P %T', merge)).toBe(`${tip} ${head} ${tree}`);
    const pull = await forge.get(number);
    expect(pull).toMatchObject({ state: 'merged', mergeCommit: merge, head });
    expect(pull.mergedAt).toBeInstanceOf(Date);
    expect(await forge.diff(number)).toContain('+  p0.noarch: "1-2"');
    expect(await person.merge(number, { by, now: LATER })).toBe(merge);
    expect(await forge.tip()).toBe(merge);
  });

  it('merges neighbours as text, and writes nothing where they do not merge', async () => {
    const { forge, person, by, clone, written } = await start();
    const base = await forge.tip();
    const numbers: number[] = [];
    for (const [i, to] of [
      [3, '2-1'],
      [4, '2-1'],
      [3, '3-1'],
    ] as const) {
      const bump = { branch: `sluice/b${i}-${to}`, files: new Map([[PATH, pins({ [i]: to })]]) };
      numbers.push((await forge.propose(await draftOf(forge, { ...bump, base }), { now: NOW })).number);
    }
    const [first = 0, second = 0, third = 0] = numbers;
    await person.merge(first, { by, now: LATER });
    const { tip, head, tree } = await forge.preview(second);
    expect([tip, head]).toEqual([await forge.tip(), (await forge.get(second)).head]);
    const merge = await person.merge(second, { by, now: LATER, tip, head });
    git(clone, 'fetch', '-q', 'origin');
    expect(git(clone, 'rev-parse', `${merge}^{tree}`)).toBe(tree);
    expect(git(clone, 'show', `${merge}:${PATH}`)).toBe(pins({ 3: '2-1', 4: '2-1' }).slice(0, -1));
    const before = await written();
    await expect(forge.preview(third)).rejects.toMatchObject({ code: 'FORGE_CONFLICT' });
    await expect(person.merge(third, { by, now: LATER })).rejects.toMatchObject({ code: 'FORGE_CONFLICT' });
    expect(await written()).toBe(before);
  });

  it('refuses a head or a main that is no longer what was checked', async () => {
    const { forge, person, by } = await start();
    const { number } = await forge.propose(await draftOf(forge), { now: NOW });
    const { head, tip } = await forge.preview(number);
    await forge.propose(await draftOf(forge, { files: new Map([[PATH, pins({ 0: '1-3' })]]) }), {
      now: LATER,
    });
    const stale = person.merge(number, { by, now: LATER, head });
    await expect(stale).rejects.toMatchObject({ code: 'FORGE_CONFLICT' });
    const other = await forge.propose(await draftOf(forge, OTHER), { now: LATER });
    await person.merge(other.number, { by, now: LATER });
    const moved = person.merge(number, { by, now: LATER, tip });
    await expect(moved).rejects.toMatchObject({ code: 'FORGE_CONFLICT' });
    expect((await forge.get(number)).state).toBe('open');
  });
}

function reading(start: () => Promise<ForgeHost>): void {
  it('closes with one comment, twice harmlessly, and then neither approves nor merges', async () => {
    const { forge, person, by } = await start();
    const { number } = await forge.propose(await draftOf(forge), { now: NOW });
    await forge.comment(number, { by: 'sluice', now: NOW, text: 'a word' });
    await forge.close(number, { by: 'sluice', now: LATER, comment: 'superseded by another' });
    await forge.close(number, { by: 'sluice', now: LATER });
    const pull = await forge.get(number);
    expect(pull.comments.map(({ text }) => text)).toEqual(['a word', 'superseded by another']);
    expect(pull.state).toBe('closed');
    expect(pull.closedAt).toBeInstanceOf(Date);
    await expect(person.merge(number, { by, now: LATER })).rejects.toMatchObject({ code: 'FORGE_REFUSED' });
    await expect(person.approve(number, { by, now: LATER })).rejects.toMatchObject({ code: 'FORGE_REFUSED' });
    const next = await draftOf(forge, { files: new Map([[PATH, pins({ 0: '1-9' })]]) });
    const after = await forge.propose(next, { now: LATER });
    expect(after).toEqual({ number: expect.any(Number), outcome: 'opened' });
    expect(after.number).not.toBe(number);
    await person.merge(after.number, { by, now: LATER });
    await expect(forge.close(after.number, { by: 'sluice', now: LATER })).rejects.toMatchObject({
      code: 'FORGE_REFUSED',
    });
  });

  it('lists the newest first, of one state or of all; and says what is not there', async () => {
    const { forge, person, by } = await start();
    const made: number[] = [];
    for (const branch of ['sluice/a', 'sluice/b', 'sluice/c']) {
      const draft = await draftOf(forge, { branch, files: new Map([[`snapshots/${branch}`, 'x\n']]) });
      made.push((await forge.propose(draft, { now: NOW })).number);
    }
    const [a = 0, b = 0, c = 0] = made;
    await forge.close(a, { by: 'sluice', now: LATER });
    await person.merge(b, { by, now: LATER });
    const listed = async (state?: PullRequest['state']): Promise<number[]> =>
      (await forge.list(state === undefined ? {} : { state }))
        .map(({ number }) => number)
        .filter((n) => n >= a);
    expect(await listed()).toEqual([c, b, a]);
    expect([await listed('open'), await listed('merged'), await listed('closed')]).toEqual([[c], [b], [a]]);
    await expect(forge.get(c + 1000)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(forge.get(-1)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
}

function wordsOf(draft: Draft): Pick<Draft, 'title' | 'body' | 'labels' | 'trailers'> {
  return { title: draft.title, body: draft.body, labels: draft.labels ?? [], trailers: draft.trailers };
}

async function openOnes(forge: Forge): Promise<number[]> {
  return (await forge.list({ state: 'open' })).map(({ number }) => number);
}

/** A person's commit on what he has checked out, pushed; its id. */
export function push(clone: string, branch: string, file: string, text: string): string {
  mkdirSync(dirname(join(clone, file)), { recursive: true });
  writeFileSync(join(clone, file), text);
  git(clone, 'add', '-A');
  git(clone, 'commit', '-qm', 'by hand');
  expect(gitTry(clone, 'push', '-q', 'origin', `HEAD:refs/heads/${branch}`)).toMatchObject({ status: 0 });
  return git(clone, 'rev-parse', 'HEAD');
}
