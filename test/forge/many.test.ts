import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { openHistory } from '../../src/forge/history.ts';
import { openLocalForge } from '../../src/forge/local.ts';
import { COMPILED } from '../fixtures/compiled.ts';
import { git } from '../fixtures/gitHistory.ts';
import { makeForge } from '../fixtures/localForge.ts';
import { oracle } from '../fixtures/oracle.ts';
import { sampled } from '../fixtures/sample.ts';
import { filesBelow } from '../fixtures/tempDir.ts';

const WORKER = fileURLToPath(new URL('../fixtures/forgeWorker.ts', import.meta.url));
const run = promisify(execFile);

async function worker(...args: string[]): Promise<unknown> {
  const { stdout } = await run(process.execPath, [WORKER, ...args], { env: { ...process.env, ...COMPILED } });
  return JSON.parse(stdout);
}

/** What must hold whatever happened: no object is missing, and main grew by exactly the merges on record. */
async function sound(dir: string): Promise<{ merges: number; open: number }> {
  const forge = await openLocalForge(dir);
  const tip = await forge.tip();
  const pulls = await forge.list();
  expect(git(dir, 'fsck', '--strict', '--no-dangling')).toBe('');
  const { chain } = await openHistory(dir, tip);
  const onMain = chain.slice(0, -1).map(({ id }) => id);
  const recorded = pulls.flatMap(({ mergeCommit }) => mergeCommit ?? []);
  expect(recorded.toSorted()).toEqual(onMain.toSorted());
  for (const { number, head } of pulls) expect(git(dir, 'rev-parse', `refs/pull/${number}/head`)).toBe(head);
  const [applied, events] = ['applied', 'pulls'].map((name) =>
    git(dir, 'for-each-ref', `refs/sluice/${name}`),
  );
  expect(applied?.slice(0, 40)).toBe(events?.slice(0, 40));
  return { merges: onMain.length, open: pulls.filter(({ state }) => state === 'open').length };
}

describe('several processes at once', () => {
  it('propose and merge their own: every one gets a number and a merge', async () => {
    const { dir } = await makeForge();
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const merges = await Promise.all(names.map((name) => worker(dir, 'both', name, '1')));
    expect(new Set(merges).size).toBe(6);
    expect(await sound(dir)).toEqual({ merges: 6, open: 0 });
    expect(git(dir, 'ls-tree', '--name-only', 'main:snapshots').split('\n')).toEqual([
      ...names.map((n) => `${n}.yaml`),
      'infra',
    ]);
  });

  it('propose the same: one opens it, the others find it', async () => {
    const { dir } = await makeForge();
    const same = Array.from(
      { length: 5 },
      () => worker(dir, 'propose', 'a', '1') as Promise<{ outcome: string }>,
    );
    const outcomes = (await Promise.all(same)).map(({ outcome }) => outcome);
    expect(outcomes.sort()).toEqual(['opened', 'unchanged', 'unchanged', 'unchanged', 'unchanged']);
    expect(await sound(dir)).toEqual({ merges: 0, open: 1 });
  });

  it('propose different things on one branch: one pull request, whose words and files belong together', async () => {
    const { forge, dir } = await makeForge();
    await Promise.all(['1', '2', '3', '4'].map((text) => worker(dir, 'propose', 'a', text)));
    const [pull, ...more] = await forge.list();
    expect(more).toEqual([]);
    expect(git(dir, 'show', `${pull?.head}:snapshots/a.yaml`)).toBe(pull?.body);
    expect(git(dir, 'rev-parse', 'sluice/promote/a')).toBe(pull?.head);
    expect(await sound(dir)).toEqual({ merges: 0, open: 1 });
  });

  it('merge the same: it is merged once', async () => {
    const { dir } = await makeForge();
    await worker(dir, 'propose', 'a', '1');
    const merges = await Promise.all(Array.from({ length: 5 }, () => worker(dir, 'merge', '1')));
    expect(new Set(merges).size).toBe(1);
    expect(await sound(dir)).toEqual({ merges: 1, open: 0 });
  });

  it('approve the same: no approval is lost', async () => {
    const { forge, dir } = await makeForge();
    await worker(dir, 'propose', 'a', '1');
    const people = ['Anna', 'Bo', 'Cy', 'Di', 'Ed'];
    await Promise.all(people.map((name) => worker(dir, 'approve', '1', name)));
    expect((await forge.get(1)).approvals.map(({ by }) => by).sort()).toEqual(people);
  });
});

describe('killed', () => {
  /** Kills git when it is about to rename its lock of this ref, which it does ref by ref, in this order. */
  const killedBefore = async (dir: string, ref: string, ...args: string[]): Promise<void> => {
    const inject = ['-e', 'inject=rename:signal=KILL', '-P', `${dir}/./${ref}.lock`];
    const flags = ['-f', '-qq', '-o', '/dev/null', ...inject];
    expect(spawnSync('strace', [...flags, process.execPath, WORKER, dir, ...args]).status).not.toBe(0);
    const left = (await filesBelow(dir)).filter((path) => path.endsWith('.lock'));
    expect(left).toContain(`${ref}.lock`);
    if (ref === 'refs/heads/main') return; // once, it is found while it is fresh
    for (const path of left) utimesSync(join(dir, path), new Date(0), new Date(0));
  };

  it.skipIf(!oracle('strace')).each(
    sampled(
      [
        ['refs/sluice/pulls', 0],
        ['refs/heads/main', 1],
        ['refs/sluice/applied', 1],
      ],
      3,
    ),
  )(
    'git, in a merge, before it writes %s: %i merges, and work goes on',
    { timeout: 120_000 },
    async (ref, merges) => {
      const { forge, dir } = await makeForge();
      await worker(dir, 'propose', 'a', '1');
      await killedBefore(dir, ref, 'merge', '1');
      expect((await forge.get(1)).state).toBe(merges === 1 ? 'merged' : 'open');
      expect(await sound(dir)).toEqual({ merges, open: 1 - merges });
      await worker(dir, 'merge', '1'); // finishes it, or finds it done
      await worker(dir, 'both', 'b', '1');
      expect(await sound(dir)).toEqual({ merges: 2, open: 0 });
    },
  );

  it.skipIf(!oracle('strace'))(
    'git, in a merge, before it deletes the branch: the next run does',
    async () => {
      const { dir } = await makeForge();
      await worker(dir, 'propose', 'a', '1');
      const branch = 'refs/heads/sluice/promote/a';
      const inject = ['-e', 'inject=unlink:signal=KILL', '-P', `./${branch}`];
      const flags = ['-f', '-qq', '-o', '/dev/null', ...inject];
      spawnSync('strace', [...flags, process.execPath, WORKER, dir, 'merge', '1']);
      const files = await filesBelow(dir);
      expect(files).toContain(branch);
      for (const path of files.filter((f) => f.endsWith('.lock')))
        utimesSync(join(dir, path), new Date(0), new Date(0));
      await worker(dir, 'merge', '1');
      expect(await filesBelow(dir)).not.toContain(branch);
      expect(await sound(dir)).toEqual({ merges: 1, open: 0 });
    },
  );

  it.skipIf(!oracle('strace')).each(
    sampled(
      [
        ['refs/sluice/pulls', 0],
        ['refs/heads/sluice/promote/a', 1],
        ['refs/pull/1/head', 1],
        ['refs/sluice/applied', 1],
      ],
      3,
    ),
  )(
    'git, in a proposal, before it writes %s: %i are open, and work goes on',
    { timeout: 120_000 },
    async (ref, open) => {
      const { dir } = await makeForge();
      await killedBefore(dir, ref, 'propose', 'a', '1');
      expect(await sound(dir)).toEqual({ merges: 0, open });
      const again = { number: 1, outcome: open === 1 ? 'unchanged' : 'opened' };
      expect(await worker(dir, 'propose', 'a', '1')).toEqual(again);
      await worker(dir, 'merge', '1');
      expect(await sound(dir)).toEqual({ merges: 1, open: 0 });
    },
  );

  it('with all its children, at any moment: the next one goes on', { timeout: 300_000 }, async () => {
    const { dir } = await makeForge();
    let ended = 0;
    for (let round = 0; round < 10; round++) {
      const child = spawn(process.execPath, [WORKER, dir, 'both', `r${round}`, '1'], {
        detached: true,
        stdio: 'ignore',
      });
      const exit = once(child, 'exit') as Promise<[number | null]>;
      const late = sleep(150 + round * 80).then(() => {
        if (child.exitCode === null && child.pid) process.kill(-child.pid, 'SIGKILL');
      });
      if ((await exit)[0] === 0) ended++;
      await late;
      for (const path of (await filesBelow(dir)).filter((left) => left.endsWith('.lock'))) {
        if (existsSync(join(dir, path))) utimesSync(join(dir, path), new Date(0), new Date(0)); // as if ten seconds had gone by
      }
      await sound(dir);
    }
    expect(ended).toBeLessThan(10); // some were killed
    await worker(dir, 'both', 'last', '1');
    expect((await sound(dir)).merges).toBeGreaterThan(ended);
  });
});
