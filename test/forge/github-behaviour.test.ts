import { execFileSync, spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { Draft, Forge } from '../../src/forge/forge.ts';
import { openGithubForge } from '../../src/forge/github.ts';
import { readTokens } from '../../src/forge/github-token.ts';
import { between, type Spoil } from '../fixtures/between.ts';
import { envOf, githubOf, NO_WAITS } from '../fixtures/githubForge.ts';
import { draftOf, LATER, NOW, PATH, pins } from '../fixtures/localForge.ts';
import { beginMain, caller, testForge } from '../fixtures/testForge.ts';

// THREATS 3.6, group 15: what a code host and the people on it do while the bot runs

const FIRST = { [PATH]: pins(), README: 'state\n' };
const NEXT = new Map([[PATH, pins({ 0: '1-3' })]]);
const BRANCH = 'sluice/promote/infra/stable/rocky-9-x86_64';

/** The bot's pull request #1; the bot, in mid-run: it has listed what is open; and what can be put between it and GitHub. */
async function begin(o = { listed: true }) {
  const test = await testForge();
  await beginMain(test, FIRST);
  const { forge: first, dir, token } = await githubOf(test, 'app');
  await first.propose(await plan(first), { now: NOW });
  const liar = await between(test);
  const tokens = await readTokens(envOf('app', token), `${test.owner}/${test.repo}`);
  const bot = openGithubForge({
    ...{ owner: test.owner, repo: test.repo, api: liar.url, dir, origin: test.gitUrl, tokens },
    ...{ timing: NO_WAITS, userAgent: 'sluice/test' },
  });
  if (o.listed) await bot.list({ state: 'open' });
  const anna = caller(test, test.tokenOf('user'));
  const heads = () => test.state.openPulls.map(({ pull }) => pull.headSha);
  const spoil = (of: RegExp, answer: Spoil) => liar.spoils.unshift({ of, before: true, with: answer });
  const again = async (changed: Partial<Draft> = { files: NEXT }) =>
    bot.propose(await plan(bot, changed), { now: LATER });
  return {
    test,
    dir,
    bot,
    anna,
    heads,
    spoil,
    again,
    asked: liar.asked,
    spoiled: liar.spoils,
    pull: test.state.openPulls[0]?.pull,
  };
}
type Begun = Awaited<ReturnType<typeof begin>>;

function plan(forge: Forge, changed: Partial<Draft> = {}): Promise<Draft> {
  return draftOf(forge as Parameters<typeof draftOf>[0], { isPlan: true, labels: ['sluice'], ...changed });
}

const refusing =
  (status: number, message: string, errors?: readonly unknown[]): Spoil =>
  (_, response) => {
    response.statusCode = status;
    return JSON.stringify({ message, ...(errors ? { errors } : {}) });
  };
const git = (test: Begun['test'], ...args: string[]) =>
  execFileSync('git', ['--git-dir', test.dir, '-c', 'user.name=A', '-c', 'user.email=a@b', ...args], {
    encoding: 'utf8',
  }).trim();

describe('rewritten on three days of a week', () => {
  const onDay = (n: number) => new Date(NOW.getTime() + n * 86_400_000);
  const night = async ({ bot }: Begun, n: number, changed: Partial<Draft> = {}) => {
    const files = new Map([[PATH, pins({ 0: `1-${n + 3}` })]]);
    return (await bot.propose(await plan(bot, { files, ...changed }), { now: onDay(n) })).outcome;
  };
  const severe = (...urgent: string[]) => ({ urgent, body: `fixes ${urgent.join(' and ')}\n` });

  it('it rests, but for a severe fix that it does not speak of yet; an approval holds that too', async () => {
    const begun = await begin();
    for (const n of [1, 2]) expect(await night(begun, n, severe('RHSA-2026:1'))).toBe('updated');
    expect(await night(begun, 3)).toBe('updated');
    expect(await night(begun, 4)).toBe('frozen');
    expect(await night(begun, 4, severe('RHSA-2026:1'))).toBe('updated'); // it said so two days ago, and no longer
    expect(await night(begun, 5, severe('RHSA-2026:1'))).toBe('frozen');
    expect(await night(begun, 5, { urgent: ['RHSA-2026:2'] })).toBe('frozen'); // too far down to be said
    expect(await night(begun, 5, severe('RHSA-2026:1', 'RHSA-2026:2'))).toBe('updated');
    const { headSha } = begun.test.state.openPulls[0]?.pull ?? {};
    await begun.anna('POST', 'pulls/1/reviews', { event: 'APPROVE', commit_id: headSha });
    expect(await night(begun, 6, severe('RHSA-2026:3'))).toBe('frozen');
  });
});

describe('in mid-run a pull request is', () => {
  const changes: readonly (readonly [string, (b: Begun) => unknown, object])[] = [
    ['closed', ({ anna }) => anna('PATCH', 'pulls/1', { state: 'closed' }), { number: 2, outcome: 'opened' }],
    ['merged', ({ anna }) => anna('PUT', 'pulls/1/merge', {}), { number: 2, outcome: 'opened' }],
    [
      'made a draft',
      ({ pull }) => Object.assign(pull ?? {}, { draft: true }),
      { number: 1, outcome: 'updated' },
    ],
    [
      'without its label',
      ({ anna }) => anna('DELETE', 'issues/1/labels/sluice'),
      { number: 1, outcome: 'updated' },
    ],
    [
      'without its branch',
      ({ anna }) => anna('DELETE', `git/refs/heads/${encodeURIComponent(BRANCH)}`),
      { number: 2, outcome: 'opened' },
    ],
  ];
  it.each(changes)('%s', async (_what, change, expected) => {
    const begun = await begin();
    await change(begun);
    expect(await begun.again()).toEqual(expected);
    expect(begun.test.state.openPulls).toHaveLength(1);
    expect(begun.test.state.openPulls[0]?.labels).toEqual(['sluice']);
  });

  it('turned to another base: it is people’s, and its branch is left alone', async () => {
    const { test, again, heads, pull } = await begin();
    const before = heads();
    git(test, 'branch', 'release', 'main');
    await test.refresh();
    Object.assign(pull ?? {}, { base: 'release' });
    await expect(again()).rejects.toMatchObject({ code: 'FORGE_CONFLICT' });
    const person = (await githubOf(test, 'user')).forge;
    await expect(person.merge(1, { by: 'anna', now: LATER })).rejects.toMatchObject({
      code: 'FORGE_REFUSED',
    });
    expect(heads()).toEqual(before);
  });

  it('locked, and people have commits on it: the label says it, nothing stops', async () => {
    const { test, again, spoil, pull } = await begin();
    const commit = git(
      test,
      'commit-tree',
      `${pull?.headSha}^{tree}`,
      '-p',
      pull?.headSha ?? '',
      '-m',
      'Mine',
    );
    git(test, 'update-ref', `refs/heads/${BRANCH}`, commit);
    await test.refresh();
    spoil(/^POST .*\/comments$/, refusing(403, 'Unable to create comment because issue is locked.'));
    expect(await again()).toMatchObject({ number: 1, outcome: 'edited' });
    expect(test.state.issue(1)?.labels).toContain('sluice:edited');
  });

  it('not known to merge yet (mergeable: null): asked once more', async () => {
    const { bot, asked } = await begin();
    expect(await bot.isBlocked(1)).toBe(false);
    expect(asked.filter(({ line }) => line.endsWith('/pulls/1'))).toHaveLength(2);
  });
});

describe('a pull request of other people’s', () => {
  /** #2, into main. */
  async function opened({ test, anna }: Begun, branch: string) {
    const head = git(test, 'commit-tree', 'main^{tree}', '-p', 'main', '-m', 'Mine');
    git(test, 'update-ref', `refs/heads/${branch}`, head);
    await test.refresh();
    await anna('POST', 'pulls', { title: 'Mine', head: branch, base: 'main', body: '' });
    const pull = test.state.issue(2)?.pull;
    if (!pull) throw new Error('there is no #2');
    return pull;
  }
  const has = ({ dir }: Begun, commit: string) =>
    spawnSync('git', ['-C', dir, 'cat-file', '-e', commit]).status === 0;

  it.each(['-x', 'a\u00a0b', 'a\u3000b', 'a\u009b31mb', '\u{1f4a5}', '--upload-pack=x'])(
    'of a branch that git may call %j: the bot goes on',
    async (branch) => {
      const begun = await begin({ listed: false });
      (await opened(begun, branch)).fork = 'mallory/state';
      expect((await begun.bot.list({ state: 'open' })).map((p) => p.branch)).toEqual([branch, BRANCH]);
      expect(await begun.again()).toMatchObject({ number: 1, outcome: 'updated' });
    },
  );

  it('whose branch has nothing in common with main any more: the bot goes on', async () => {
    const begun = await begin({ listed: false });
    const { test, bot } = begun;
    await opened(begun, 'patch');
    const orphan = git(test, 'commit-tree', 'main^{tree}', '-m', 'From nothing');
    git(test, 'update-ref', 'refs/heads/patch', orphan);
    await test.refresh();
    expect(await bot.get(2)).toMatchObject({ head: orphan, proposed: undefined });
    await expect(bot.preview(2)).rejects.toMatchObject({ code: 'FORGE_REFUSED' });
    expect((await bot.list({ state: 'open' })).map(({ number }) => number)).toEqual([2, 1]);
    const { open } = await bot.standing();
    expect(open.map(({ pull, conflicts }) => [pull.number, conflicts.length > 0])).toEqual([
      [2, true],
      [1, false],
    ]);
    expect(await begun.again()).toMatchObject({ number: 1, outcome: 'updated' });
  });

  it('from a fork, whatever it has and however it moves: nothing of it is fetched, the bot goes on', async () => {
    const begun = await begin({ listed: false });
    const { test, bot, spoiled } = begun;
    const pull = await opened(begun, 'patch');
    pull.fork = 'mallory/state';
    const orphan = git(test, 'commit-tree', 'main^{tree}', '-m', 'From nothing');
    git(test, 'update-ref', 'refs/heads/patch', orphan);
    await test.refresh();
    const main = git(test, 'rev-parse', 'main');
    const numbers = async () => (await bot.list({ state: 'open' })).map(({ number, base }) => [number, base]);
    expect(await numbers()).toEqual([
      [2, main],
      [1, main],
    ]);
    const { open: standing } = await bot.standing();
    expect(standing.map(({ pull: { number, fromFork } }) => [number, fromFork])).toEqual([
      [2, true],
      [1, undefined],
    ]);
    expect(has(begun, orphan)).toBe(false);
    const pushedSince: Spoil = (real) => real.replaceAll(orphan, 'e'.repeat(40));
    spoiled.unshift({ of: /^GET .*\/pulls\?/, with: pushedSince });
    await bot.standing();
    expect(await begun.again()).toMatchObject({ number: 1, outcome: 'updated' });
  });
});

it.each(['withdraw', 'merge'] as const)(
  'what somebody pushes while the bot does its %s is not deleted with the branch',
  async (what) => {
    const { test, bot, pull, spoiled } = await begin();
    const mine = git(test, 'commit-tree', `${BRANCH}^{tree}`, '-p', BRANCH, '-m', 'A last thought');
    const of = what === 'merge' ? /^PUT .*\/pulls\/1\/merge$/ : /^PATCH .*\/pulls\/1$/;
    const pushes: Spoil = (real) => {
      git(test, 'update-ref', `refs/heads/${BRANCH}`, mine);
      return real;
    };
    spoiled.unshift({ of, with: pushes });
    const act = { by: 'sluice', now: LATER, comment: 'Nothing is left.' };
    if (what === 'merge') await bot.merge(1, { ...act, head: pull?.headSha ?? '' });
    else expect(await bot.withdraw(BRANCH, act)).toBe(1);
    expect(git(test, 'rev-parse', `refs/heads/${BRANCH}`)).toBe(mine);
  },
);

describe('a body that', () => {
  it('has notes of people’s for which there is no room beside the new words: they are cut, and nothing is stuck', async () => {
    const { test, anna, again, heads } = await begin();
    const notes = `Looked at on web-3.\n${'Long log line.\n'.repeat(4_000)}`;
    await anna('PATCH', 'pulls/1', { body: `${test.state.issue(1)?.body}\n${notes}` });
    const body = 'word '.repeat(3_000);
    expect(await again({ files: NEXT, body })).toMatchObject({ outcome: 'updated' });
    expect(test.state.issue(1)?.body).toContain('Looked at on web-3.');
    const after = heads();
    expect(await again({ files: NEXT, body })).toMatchObject({ outcome: 'unchanged' });
    expect(heads()).toEqual(after);
  });

  it('a person edited: notes below the marker stay, and a quiet run writes nothing', async () => {
    const { test, anna, again } = await begin();
    const body = `${test.state.issue(1)?.body}\nLooked at on web-3.\n`;
    await anna('PATCH', 'pulls/1', { body });
    expect(await again({})).toMatchObject({ outcome: 'unchanged' });
    expect(await again()).toMatchObject({ outcome: 'updated' });
    expect(test.state.issue(1)?.body).toContain('Looked at on web-3.');
  });

  it('lost its marker: the bot keeps off', async () => {
    const { anna, again, heads } = await begin();
    const before = heads();
    await anna('PATCH', 'pulls/1', { body: 'mine now' });
    await expect(again()).rejects.toMatchObject({ code: 'FORGE_CONFLICT' });
    expect(heads()).toEqual(before);
  });

  it('a person wrote with a forged marker, on a branch of the bot’s name: foreign', async () => {
    const { test, bot, anna, again } = await begin();
    const branch = 'sluice/promote/forged';
    const head = git(test, 'commit-tree', 'main^{tree}', '-p', 'main', '-m', 'Mine');
    git(test, 'update-ref', `refs/heads/${branch}`, head);
    await test.refresh();
    const marker = { id: 'promote/forged', plan: `sha256:${'a'.repeat(64)}`, base: head, head };
    const line = `<!-- sluice:v1 ${Buffer.from(JSON.stringify(marker)).toString('base64url')} -->`;
    await anna('POST', 'pulls', { title: 'Mine', head: branch, base: 'main', body: `x\n\n${line}\n` });
    const act = { by: 'sluice', now: LATER, comment: 'Nothing is left.' };
    await expect(again({ files: NEXT, branch })).rejects.toMatchObject({ code: 'FORGE_CONFLICT' });
    expect(await bot.withdraw(branch, act)).toBeUndefined();
    expect(git(test, 'rev-parse', branch)).toBe(head);
    expect(test.state.openPulls).toHaveLength(2);
  });
});

describe('GitHub says', () => {
  const limited: readonly (readonly [string, Spoil])[] = [
    ['403, secondary limit', refusing(403, 'You have exceeded a secondary rate limit.')],
    [
      '403, secondary limit, retry-after',
      (_, response) => {
        response.setHeader('retry-after', '3600');
        return refusing(403, 'You have exceeded a secondary rate limit.')(_, response);
      },
    ],
    ['429', refusing(429, 'Too many requests')],
  ];
  const refused: readonly (readonly [string, RegExp, Spoil])[] = [
    ['archived', /\/git\/trees$/, refusing(403, 'Repository was archived so is read-only.')],
    ['missing permission', /\/git\/trees$/, refusing(403, 'Resource not accessible by integration')],
    ['304 to what was not conditional', /GET .*\/pulls\/1$/, (_, r) => void r.writeHead(304).end()],
    ['422, a rule of the branch', /PATCH .*\/git\/refs\//, refusing(422, 'Reference update failed')],
    [
      '422, too long a body',
      /PATCH .*\/pulls\/1$/,
      refusing(422, 'Validation Failed', [{ field: 'body', message: 'body is too long' }]),
    ],
    ['422 without a word', /\/git\/commits$/, refusing(422, 'Unprocessable Entity', [null])],
  ];

  it('a limit: a fault that says when, and nothing is written', async () => {
    const { test, again, spoil, heads } = await begin();
    const before = heads();
    for (const [what, limit] of limited) {
      spoil(/\/git\/trees$/, limit);
      await expect(again(), what).rejects.toMatchObject({
        code: 'HTTP_STATUS',
        hint: expect.stringMatching(/^Run it again/),
      });
      expect(heads()).toEqual(before);
    }
    expect(test.state.openPulls).toHaveLength(1);
  });

  it.each(refused)('%s: a fault with its words, and one pull request', async (_what, of, answer) => {
    const { test, again, spoil } = await begin();
    spoil(of, answer);
    await expect(again()).rejects.toMatchObject({
      code: expect.stringMatching(/^FORGE_REFUSED$/),
      message: expect.stringMatching(/^GitHub refuses \(\d+\)/),
      at: expect.stringMatching(/^[A-Z]+ \/repos\//),
    });
    expect(test.state.openPulls).toHaveLength(1);
  });

  it('410, issues are switched off, or the App may not write them: proposed all the same, without labels', async () => {
    const { test, again, spoil } = await begin();
    spoil(/POST .*\/labels$/, refusing(410, 'Issues are disabled for this repo'));
    expect(await again({ files: NEXT, branch: 'sluice/x' })).toEqual({ number: 2, outcome: 'opened' });
    expect(test.state.issue(2)?.labels).toEqual([]);
  });

  it('each 422 to a new pull request in its own words', async () => {
    const kinds = [
      [{ field: 'base', code: 'invalid' }, /\(base\)/],
      [{ field: 'head', code: 'invalid' }, /\(head\)/],
      [{ message: 'No commits between main and sluice/x' }, /No commits between/],
      [{ message: 'A pull request already exists for example:sluice/x.' }, /already exists/],
    ] as const;
    const { test, again, spoiled } = await begin();
    for (const [n, [error, says]] of kinds.entries()) {
      spoiled.splice(0, 1, {
        of: /^POST .*\/pulls$/,
        before: true,
        with: refusing(422, 'Validation Failed', [error]),
      });
      const refusal = again({ files: NEXT, branch: `sluice/x${n}` });
      await expect(refusal).rejects.toMatchObject({
        code: 'FORGE_REFUSED',
        message: expect.stringMatching(says),
      });
    }
    expect(test.state.openPulls).toHaveLength(1);
  });

  it('more than a hundred are open: the one of this branch is found on the second page', async () => {
    const { again, spoiled, asked } = await begin({ listed: false });
    let page = '[]';
    const first: Spoil = (real) => {
      page = real;
      const [pull] = JSON.parse(real) as { number: number; head: object }[];
      const other = (n: number) => ({
        ...pull,
        number: 1000 + n,
        head: { ...pull?.head, ref: `topic-${n}` },
      });
      return JSON.stringify(Array.from({ length: 100 }, (_, n) => other(n)));
    };
    spoiled.push({ of: /pulls\?.*page=1$/, with: first }, { of: /pulls\?.*page=2$/, with: () => page });
    expect(await again()).toEqual({ number: 1, outcome: 'updated' });
    expect(asked.filter(({ line }) => line.endsWith('page=2'))).toHaveLength(1);
  });
});

describe('merging', () => {
  it('with squash switched off; with nothing but squash it is refused, and main stays', async () => {
    const { test } = await begin();
    const anna = (await githubOf(test, 'user')).forge;
    const main = git(test, 'rev-parse', 'main');
    test.settings.mergeMethods = ['squash'];
    await expect(anna.merge(1, { by: 'anna', now: LATER })).rejects.toMatchObject({ code: 'FORGE_BLOCKED' });
    expect(git(test, 'rev-parse', 'main')).toBe(main);
    test.settings.mergeMethods = ['merge'];
    expect(await anna.merge(1, { by: 'anna', now: LATER })).toBe(git(test, 'rev-parse', 'main'));
  });

  it('with a merge queue: refused in its words', async () => {
    const { test, bot, spoil } = await begin();
    const main = git(test, 'rev-parse', 'main');
    spoil(/^PUT /, refusing(405, 'Changes must be made through the merge queue'));
    const merge = bot.merge(1, { by: 'sluice', now: LATER });
    const words = expect.stringContaining('merge queue');
    await expect(merge).rejects.toMatchObject({ code: 'FORGE_BLOCKED', message: words });
    expect(git(test, 'rev-parse', 'main')).toBe(main);
  });
});
