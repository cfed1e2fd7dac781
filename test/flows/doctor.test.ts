import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { doctor, type Finding } from '../../src/flows/doctor.ts';
import { forgeOf } from '../../src/flows/forge-of.ts';
import { openRepository } from '../../src/forge/repository.ts';
import { envOf } from '../fixtures/githubForge.ts';
import { makeForge } from '../fixtures/localForge.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { beginMain, testForge } from '../fixtures/testForge.ts';

async function examine(repoDir: string, env: Record<string, string> = {}) {
  const printed: string[] = [];
  const world = {
    ...{ repoDir, mirrorDir: undefined, now: new Date(), by: 'anna', json: true },
    env: { PATH: process.env['PATH'] ?? '', SLUICE_GITHUB_THROTTLE: 'off', ...env },
    progress: { say: () => undefined } as never,
    print: (text: string) => void printed.push(text),
  };
  const good = await doctor(world);
  const text = printed.join('');
  const findings = JSON.parse(text) as Finding[];
  return { good, text, world, of: (about: string) => findings.filter((f) => f.about.startsWith(about)) };
}

const site = (forge: string) => `apiVersion: sluice/v1\nkind: Site\nforge: ${forge}\n`;

async function onGithub(more: Record<string, string> = {}) {
  const test = await testForge();
  const forge = `{ github: ${test.owner}/${test.repo}, api: "${test.url}" }`;
  await beginMain(test, { 'policies/site.yaml': site(forge), ...more });
  const dir = join(await tempDir(), 'clone');
  execFileSync('git', ['clone', '-q', test.dir, dir]);
  execFileSync('git', ['-C', dir, 'remote', 'set-url', 'origin', test.gitUrl]);
  return { test, dir };
}

it('says of a folder that is no repository what to do, and of a local forge that it is there', async () => {
  const nothing = await examine(await tempDir());
  expect(nothing.good).toBe(false);
  expect(nothing.of('state repository')).toMatchObject([
    { is: 'wrong', next: expect.stringContaining('--repo') },
  ]);
  const { clone } = await makeForge();
  expect((await examine(clone.root)).of('git')).toMatchObject([{ is: 'ok' }]);
});

it('finds on GitHub what is missing: rules, labels, a schedule that GitHub stopped, a runner, owners', async () => {
  const { test, dir } = await onGithub();
  test.settings.workflows.push({
    id: 1,
    name: 'promote',
    path: '.github/workflows/promote.yml',
    state: 'disabled_inactivity',
  });
  test.settings.runners.push({ name: 'mirror-1', status: 'offline', labels: ['self-hosted'] });
  const token = test.tokenOf('app');
  const { good, of, text } = await examine(dir, envOf('app', token));
  expect(good).toBe(false);
  expect(of('token')).toMatchObject([{ is: 'ok' }]);
  expect(of('rules of main').map(({ is }) => is)).toContain('wrong');
  expect(of('labels')).toMatchObject([{ is: 'warning', next: expect.stringContaining('gh label create') }]);
  expect(of('CODEOWNERS')).toMatchObject([{ is: 'wrong' }]);
  expect(of('.github/workflows/promote.yml').length + of('workflows').length).toBeGreaterThan(0);
  expect(text).not.toContain(token);
});

it('explains what the GITHUB_TOKEN of a workflow cannot do, and a missing token', async () => {
  const { test, dir } = await onGithub({ '.github/CODEOWNERS': '* @example/ops\n' });
  const { of } = await examine(dir, envOf('actions', test.tokenOf('actions')));
  expect(of('token')).toMatchObject([
    { is: 'warning', says: expect.stringContaining('wait'), next: expect.stringContaining('App') },
  ]);
  expect(of('CODEOWNERS')).toMatchObject([{ is: 'ok' }]);
  expect(of('workflows propose')).toMatchObject([
    { is: 'unknown', next: expect.stringContaining('Allow GitHub Actions to create') },
  ]);
});

it('reads whether workflows may open pull requests, where the token may see it', async () => {
  const { test, dir } = await onGithub();
  const asPerson = () => examine(dir, envOf('user', test.tokenOf('user')));
  expect((await asPerson()).of('workflows propose')).toMatchObject([{ is: 'ok' }]);
  test.settings.actionsMayOpenPulls = true;
  expect((await asPerson()).of('workflows propose')).toMatchObject([
    { is: 'warning', says: expect.stringContaining('approve'), next: expect.stringContaining('turn it off') },
  ]);
  const asApp = await examine(dir, envOf('app', test.tokenOf('app')));
  expect(asApp.of('workflows propose')).toEqual([]);
});

it('sends a token to no other host than origin’s', async () => {
  const { dir } = await onGithub();
  execFileSync('git', ['-C', dir, 'remote', 'set-url', 'origin', 'https://github.com/example/state.git']);
  const { world, of } = await examine(dir, { SLUICE_GITHUB_TOKEN: 'ghp_never_sent_anywhere' });
  expect(of('github')).toMatchObject([{ is: 'wrong', says: expect.stringContaining('127.0.0.1') }]);
  await expect(forgeOf(world, await openRepository(dir))).rejects.toMatchObject({ code: 'FORGE_REFUSED' });
});

it('says where what the mirror found stops nothing, can be said by anybody, or keeps a queue waiting', async () => {
  const { test, dir } = await onGithub();
  const rules = { approvals: 1, dismissStale: true, upToDate: false };
  const ruled = async (checks: { context: string; appId?: number }[]) => {
    test.settings.rules = { ...rules, checks: [{ context: 'sluice/plan' }, ...checks] };
    const { of } = await examine(dir, envOf('app', test.tokenOf('app')));
    return of('rules of main').map(({ is, says }) => `${is}: ${says}`);
  };
  expect(await ruled([])).toEqual([expect.stringMatching(/^warning: sluice\/mirror is not required/)]);
  const anybody = await ruled([{ context: 'sluice/mirror' }]);
  expect(anybody).toEqual([expect.stringMatching(/^warning: anybody who may write a commit status/)]);
  expect(await ruled([{ context: 'sluice/mirror', appId: 1 }])).toEqual([expect.stringMatching(/^ok/)]);
});
