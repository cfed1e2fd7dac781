import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { SILENT } from '../../src/base/progress.ts';
import type { World } from '../../src/flows/context.ts';
import { initStateRepository } from '../../src/flows/init.ts';
import { pullApprove, pullMerge } from '../../src/flows/pull.ts';
import { pullOpen } from '../../src/flows/pull-open.ts';
import { tempDir } from '../fixtures/tempDir.ts';

const git = (dir: string, ...args: string[]): string =>
  execFileSync('git', ['-C', dir, '-c', 'user.name=Ben', '-c', 'user.email=ben@example.org', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim();

/** A new state repository, where Ben has changed the team's policy in the branch `reboot` and pushed it. */
async function changed(edit: (policy: string) => string) {
  const dir = await tempDir();
  const { root } = await initStateRepository({
    dir: join(dir, 'state'),
    distros: ['harbor-9-x86_64-base=file:///srv/harbor/base'],
    team: 'infra',
    now: new Date('2026-03-01T00:00:00Z'),
    by: 'Anna',
    sluiceVersion: '0.1.0',
  });
  const path = join(root, 'policies/teams/infra.yaml');
  git(root, 'switch', '-qc', 'reboot');
  await writeFile(path, edit(await readFile(path, 'utf8')));
  git(root, 'commit', '-qam', 'Kernels go by themselves');
  git(root, 'push', '-q', 'origin', 'reboot');
  git(root, 'switch', '-q', 'main');
  const said: string[] = [];
  const world: World = {
    repoDir: root,
    mirrorDir: join(dir, 'mirror'),
    now: new Date('2026-03-02T00:00:00Z'),
    by: 'Ben',
    env: {},
    progress: SILENT,
    print: (text) => said.push(text),
    json: false,
  };
  return { root, path, said, world };
}

it('a policy changes by a branch, a pull request and a merge', async () => {
  const { root, path, said, world } = await changed((policy) => policy.replace(/\nholds:[\s\S]*$/, '\n'));
  const number = await pullOpen(world, 'reboot', 'Kernels go by themselves');
  expect(said).toEqual(['pull request #1 opened: Kernels go by themselves\n']);
  expect(await pullOpen(world, 'reboot', 'Kernels go by themselves')).toBe(number);
  await pullApprove({ ...world, by: 'Anna' }, number);
  await pullMerge({ ...world, by: 'Anna' }, number);
  expect(git(root, 'log', '-1', '--format=%p %an').split(' ')).toHaveLength(3); // a merge of two parents
  expect(await readFile(path, 'utf8')).not.toContain('holds:');
});

it('a policy that does not load is not merged', async () => {
  const { root, world } = await changed((policy) => policy.replace('seen: 2d', 'seen: 2 dyas'));
  const number = await pullOpen(world, 'reboot', 'A shorter wait');
  await pullApprove({ ...world, by: 'Anna' }, number);
  await expect(pullMerge(world, number)).rejects.toMatchObject({
    code: 'POLICY_INVALID',
    at: expect.stringMatching(/^policies\/teams\/infra\.yaml:\d+:\d+$/),
  });
  expect(git(root, 'log', '--format=%s', 'main')).toBe('A new state repository');
});

it('a branch that nobody pushed is a fault', async () => {
  const { world } = await changed((policy) => `${policy}# seen\n`);
  await expect(pullOpen(world, 'nothing', 'Nothing')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});
