import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { layDemoUpstream } from '../../scripts/demoUpstream.ts';
import { SILENT } from '../../src/base/progress.ts';
import { checkWorkTree, fixWorkTree } from '../../src/flows/check-tree.ts';
import type { World } from '../../src/flows/context.ts';
import { promote } from '../../src/flows/promote.ts';
import { pullApprove, pullMerge } from '../../src/flows/pull.ts';
import { pullOpen } from '../../src/flows/pull-open.ts';
import { initLocalForge } from '../../src/forge/local.ts';
import { lockWorkTree } from '../../src/pool/disk.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { makeSite, type Site, siteAgain } from './site.ts';

const BASE = 'harbor-9-x86_64-base';
const STABLE = `snapshots/infra/stable/${BASE}`;

/** Live, unstable and stable as the vendor was before its wave; then the wave is in live and unstable. */
const siteWithWave = siteAgain(async (dir) => {
  const vendor = join(dir, 'vendor');
  const site = await makeSite({
    dir,
    upstreams: { [BASE]: { baseurl: [`file://${vendor}/base`], content: 'thin' } },
  });
  await layDemoUpstream(vendor, 'before');
  await site.merge(await site.sync());
  await site.merge(await site.promote('unstable'));
  site.days(2);
  await site.merge(await site.promote('stable'));
  await layDemoUpstream(vendor, 'after');
  await site.sync(); // merges itself
  await site.merge(await site.promote('unstable'));
  site.days(2);
  return Object.assign(site, { vendor });
});

function git(site: Site, ...args: string[]): string {
  const identity = ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.org'];
  return execFileSync('git', ['-C', site.repoDir, ...identity, ...args], { encoding: 'utf8' }).trim();
}

function edit(site: Site, path: string, change: (text: string) => string): void {
  const file = join(site.repoDir, path);
  const before = readFileSync(file, 'utf8');
  const after = change(before);
  expect(after).not.toBe(before);
  writeFileSync(file, after);
}

/** A person's commit on top of a bot's branch, pushed. */
async function amend(
  site: Site,
  branch: string,
  path: string,
  change: (text: string) => string,
): Promise<void> {
  git(site, 'fetch', '-q', 'origin', `+${branch}:refs/remotes/origin/${branch}`);
  git(site, 'checkout', '-q', '-B', 'edit', `origin/${branch}`);
  edit(site, path, change);
  await fixWorkTree(site.world());
  git(site, 'commit', '-qam', 'My change');
  git(site, 'push', '-q', 'origin', `edit:${branch}`);
  git(site, 'checkout', '-q', 'main');
}

const BRANCH = 'sluice/promote/infra/stable/harbor-9-x86_64';

it('a bot that runs twice opens one pull request, and changes nothing the second time', async () => {
  const site = await siteWithWave();
  const number = await site.promote('stable');
  const refs = () => execFileSync('git', ['-C', `${site.repoDir}.git`, 'for-each-ref'], { encoding: 'utf8' });
  const before = refs();
  expect(await site.promote('stable')).toBe(number);
  expect(site.output()).toContain(`pull request #${number} unchanged`);
  expect(refs()).toBe(before);
});

it('what a person changed in a bot’s pull request needs an approval of just that head', async () => {
  const site = await siteWithWave();
  const number = (await site.promote('stable')) ?? 0;
  await amend(site, BRANCH, `${STABLE}.yaml`, (text) => text.replace(/ {2}harbor-audit[^\n]*\n\n/, ''));
  await expect(pullMerge(site.world(), number)).rejects.toMatchObject({
    code: 'PLAN_DIFFERS',
    message: expect.stringContaining(`${STABLE}.yaml`),
  });
  await pullApprove(site.world(), number);
  await pullMerge(site.world(), number);
  git(site, 'fetch', '-q');
  expect(git(site, 'show', `origin/main:${STABLE}.yaml`)).not.toContain('harbor-audit');
});

it('a lock that names other bytes than the parent has is refused, whoever approved it', async () => {
  const site = await siteWithWave();
  const number = (await site.promote('stable')) ?? 0;
  await amend(site, BRANCH, `${STABLE}.lock`, (text) =>
    text.replace(/^(harbor-shell-5\.1\.8-9\S+ sha256:)[0-9a-f]{8}/m, '$1deadbeef'),
  );
  await pullApprove(site.world(), number);
  await expect(pullMerge(site.world(), number)).rejects.toMatchObject({ code: 'MANIFEST_INVALID' });
});

it('a hold that came after the green check stops the merge', async () => {
  const site = await siteWithWave();
  const number = (await site.promote('stable')) ?? 0;
  const hold =
    'holds:\n  - { match: "^harbor-shell$", reason: "breaks logins", owner: "@acme/ops", until: 2027-01-01 }\n';
  edit(site, 'policies/teams/infra.yaml', (text) => `${text}${hold}`);
  git(site, 'checkout', '-q', '-b', 'hold');
  git(site, 'commit', '-qam', 'Hold the shell');
  const date = new Date(site.now.getTime()).toISOString();
  execFileSync('git', ['-C', site.repoDir, 'push', '-q', `${site.repoDir}.git`, 'hold:refs/heads/hold']);
  const forge = await initLocalForge(`${site.repoDir}.git`);
  mergeByForge(site, 'hold', date);
  git(site, 'checkout', '-q', 'main');
  expect(await forge.tip()).not.toBe(git(site, 'rev-parse', 'main'));
  await expect(pullMerge(site.world(), number)).rejects.toMatchObject({
    message: expect.stringContaining('harbor-shell-5.1.8-9.h9.x86_64 is held now: breaks logins (@acme/ops)'),
  });
});

/** What a code host does with a person's pull request: a merge commit on main. */
function mergeByForge(site: Site, branch: string, date: string): void {
  const bare = `${site.repoDir}.git`;
  const env = {
    ...process.env,
    GIT_AUTHOR_NAME: 'forge',
    GIT_AUTHOR_EMAIL: 'forge@localhost',
    GIT_COMMITTER_NAME: 'forge',
    GIT_COMMITTER_EMAIL: 'forge@localhost',
    GIT_AUTHOR_DATE: date,
    GIT_COMMITTER_DATE: date,
  };
  const run = (...args: string[]) =>
    execFileSync('git', ['-C', bare, ...args], { encoding: 'utf8', env }).trim();
  const main = run('rev-parse', 'refs/heads/main');
  const commit = run('commit-tree', `${branch}^{tree}`, '-p', main, '-p', branch, '-m', `Merge ${branch}`);
  run('update-ref', 'refs/heads/main', commit, main);
}

it('a pull request that was opened before upstream pulled a build back is not merged', async () => {
  const site = await siteWithWave();
  const number = (await site.promote('stable')) ?? 0;
  await layDemoUpstream(site.vendor, 'later');
  await site.merge(await site.sync());
  await expect(pullMerge(site.world(), number)).rejects.toMatchObject({
    message: expect.stringContaining('upstream pulled harbor-edit-9.1-1.h9.x86_64 back'),
  });
  const again = await site.promote('stable'); // the same branch, refreshed
  expect(again).toBe(number);
  await pullMerge(site.world(), number);
});

it('a merge outside of the tier’s window is refused, with the time from which it goes', async () => {
  const window = { days: ['tue'], from: '09:00', to: '17:00', zone: 'UTC' };
  const tiers = { unstable: { from: 'live' }, stable: { from: 'unstable', window } };
  const vendor = await tempDir();
  const upstreams = { [BASE]: { baseurl: [`file://${vendor}/base`], content: 'thin' } };
  const site = await makeSite({ upstreams, team: { tiers }, start: '2026-03-10T10:00:00Z' }); // a Tuesday
  await layDemoUpstream(vendor, 'before');
  await site.merge(await site.sync());
  await site.merge(await site.promote('unstable'));
  const number = (await site.promote('stable')) ?? 0;
  site.days(1);
  await expect(pullMerge(site.world(), number)).rejects.toMatchObject({
    hint: 'Merge it from 2026-03-17T09:00:00.000Z on.',
  });
  site.days(6);
  await pullMerge(site.world(), number);
});

it('--write never overwrites what is not committed, goes on where it was cut off, and does not mix with another', async () => {
  const site = await siteWithWave();
  const request = { packages: [], team: 'infra', to: 'stable', how: 'write', all: false } as const;
  const other = await lockWorkTree(join(site.repoDir, '.git'));
  await expect(promote(site.world(), request)).rejects.toMatchObject({
    code: 'LOCKED',
    message: expect.stringContaining('another run holds the work tree: process'),
  });
  expect(git(site, 'status', '--porcelain')).toBe('');
  await other.release();
  await promote(site.world(), request);
  const whole = git(site, 'diff');
  git(site, 'checkout', '-q', `${STABLE}.yaml`);
  await promote(site.world(), request); // the lock says already what the plan says
  expect(git(site, 'diff')).toBe(whole);

  edit(site, `${STABLE}.yaml`, (text) => text.replace('harbor-shell', 'harbor-shell'.toUpperCase()));
  const mine = readFileSync(join(site.repoDir, `${STABLE}.yaml`), 'utf8');
  await expect(promote(site.world(), request)).rejects.toMatchObject({
    code: 'USAGE',
    message: `the plan would overwrite what is not committed: ${STABLE}.yaml`,
  });
  expect(readFileSync(join(site.repoDir, `${STABLE}.yaml`), 'utf8')).toBe(mine);

  git(site, 'commit', '-qam', 'Mine'); // another base than main, which the plan is of
  await expect(promote(site.world(), request)).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining(`checked out here has another ${STABLE}.lock, ${STABLE}.yaml`),
  });
  git(site, 'switch', '-qC', 'topic', 'origin/main');
  await promote(site.world(), request);
  expect(git(site, 'diff')).toBe(whole);
});

const BROKEN = {
  code: 'BROKEN_SET',
  message:
    'harbor-shell-5.1.8-9.h9.x86_64 needs harbor-libc >= 2.34-100.h9, which nothing in infra/stable harbor-9-x86_64 gives any client',
  at: expect.stringMatching(/^snapshots\/infra\/stable\/harbor-9-x86_64-base\.yaml:\d+:\d+$/),
  hint: 'Add harbor-libc-2.34-100.h9.x86_64, which unstable has, or leave harbor-shell at 5.1.8-6.h9.',
};

async function checked(site: Site, o: Partial<World> = {}) {
  site.output();
  const good = await checkWorkTree({ ...site.world(), json: true, progress: SILENT, ...o });
  return { ...JSON.parse(site.output()), good };
}

it('a hotfix by hand: one line of YAML, fix, check, and what it needs besides', async () => {
  const site = await siteWithWave();
  edit(site, `${STABLE}.yaml`, (text) => text.replace('"5.1.8-6.h9"', '"5.1.8-9.h9"'));
  expect(await checkWorkTree(site.world())).toBe(false);
  await fixWorkTree(site.world());
  expect(readFileSync(join(site.repoDir, `${STABLE}.lock`), 'utf8')).toContain(
    'harbor-shell-5.1.8-9.h9.x86_64 sha256:',
  );
  expect(git(site, 'diff', '--stat').split('\n').at(-1)).toContain(
    '2 files changed, 2 insertions(+), 2 deletions(-)',
  );
  const broken = await checked(site);
  expect(broken).toMatchObject({ good: false, complaints: [BROKEN] });
  expect(broken.sets).toMatchObject([
    { tier: 'unstable', broken: [], added: { requirements: 0 } },
    {
      tier: 'stable',
      added: { requirements: 1, builds: 1 },
      broken: [{ needs: 'harbor-libc >= 2.34-100.h9' }],
    },
  ]);
  expect(await checked(site, { mirrorDir: undefined })).toMatchObject({ good: true, sets: null }); // left to the merge
  edit(site, `${STABLE}.yaml`, (text) => text.replace('"2.34-60.h9"', '"2.34-100.h9"'));
  await fixWorkTree(site.world());
  expect(await checked(site)).toMatchObject({ good: true, complaints: [] });
  edit(site, `${STABLE}.lock`, (text) => {
    const record = /^harbor-cron-\S+ \S+ \d+ (\w{12})$/m.exec(text)?.[1] ?? '';
    return text.replace(/^(harbor-shell-\S+ \S+ \d+ )\w{12}$/m, `$1${record}`); // asks for less
  });
  expect(await checked(site)).toMatchObject({
    good: false,
    complaints: [{ code: 'LOCK_MISMATCH', at: `${STABLE}.lock` }],
  });
});

it('a pull request that breaks a client set needs a reason in its head, and an approval of that', async () => {
  const site = await siteWithWave();
  edit(site, `${STABLE}.yaml`, (text) => text.replace('"5.1.8-6.h9"', '"5.1.8-9.h9"'));
  await fixWorkTree(site.world());
  git(site, 'switch', '-qc', 'hotfix');
  git(site, 'commit', '-qam', 'The shell, now');
  git(site, 'push', '-q', 'origin', 'hotfix');
  const number = await pullOpen(site.world(), 'hotfix', 'The shell, now');
  await pullApprove(site.world(), number);
  const refused = { code: 'BROKEN_SET', message: expect.stringContaining(BROKEN.message), hint: BROKEN.hint };
  await expect(pullMerge(site.world(), number)).rejects.toMatchObject(refused);
  expect(site.output()).toContain('Sluice-Broken: REASON');
  git(site, 'commit', '-q', '--allow-empty', '-m', 'On purpose', '-m', 'Sluice-Broken: libc comes tonight');
  git(site, 'push', '-q', 'origin', 'hotfix');
  await expect(pullMerge(site.world(), number)).rejects.toMatchObject(refused); // the approval is of another head
  await pullApprove(site.world(), number);
  await pullMerge(site.world(), number);
  expect(site.output()).toContain(`BROKEN_SET: ${BROKEN.message}`);
});

it('a build that no manifest has is refused by name, with the place', async () => {
  const site = await siteWithWave();
  edit(site, `${STABLE}.yaml`, (text) => text.replace('"5.1.8-6.h9"', '"9.9-9.h9"'));
  await expect(fixWorkTree(site.world())).rejects.toMatchObject({
    message: expect.stringContaining('harbor-shell-9.9-9.h9.x86_64'),
    at: expect.stringMatching(/^snapshots\/infra\/stable\/harbor-9-x86_64-base\.yaml:\d+:\d+$/),
  });
});
