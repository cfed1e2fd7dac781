import { describe, expect, it } from 'vitest';
import type { Check } from '../../src/forge/check.ts';
import { checksOn, githubOf } from '../fixtures/githubForge.ts';
import { NOW, PATH, pins } from '../fixtures/localForge.ts';
import { beginMain, testForge } from '../fixtures/testForge.ts';

const BY = { by: 'sluice', now: NOW };

async function begin(kind: 'app' | 'user' | 'actions' = 'app') {
  const test = await testForge();
  const head = await beginMain(test, { [PATH]: pins() });
  return { test, head, forge: (await githubOf(test, kind)).forge };
}

const check = (head: string, lines: number, more: Partial<Check> = {}): Check => {
  const all = Array.from({ length: lines }, (_, i) => ({
    ...{ path: PATH, start_line: i + 1, end_line: i + 1, annotation_level: 'failure' as const },
    ...{ title: 'POOL_MISSING', message: 'gone' },
  }));
  const annotations = [all]; // in one batch, as no caller should: the adapter keeps GitHub's limit by itself
  return {
    ...{ name: 'sluice/mirror', head, state: 'failure', title: 'red', summary: 's', text: '' },
    annotations,
    ...more,
  };
};

describe('what is set although the answer is lost, or only half of it', () => {
  it('a 502 after the run was made: it is found, and not made twice', async () => {
    const { test, head, forge } = await begin();
    test.faults.add({ kind: '502-after', method: 'POST', route: 'checks/create' });
    expect(await forge.setCheck(1, check(head, 3), BY)).toBe(true);
    expect([test.faults.unmet, test.state.checks.length]).toEqual([[], 1]);
    expect(await forge.setCheck(1, check(head, 3), BY)).toBe(false);
  });

  it('cut off between two batches it is pending, never a verdict; the next run says all of it', async () => {
    const { test, head, forge } = await begin();
    test.faults.add({ kind: '502', method: 'PATCH', route: 'checks/update', after: 1 });
    await expect(forge.setCheck(1, check(head, 120), BY)).rejects.toMatchObject({ code: 'NETWORK' });
    expect(checksOn(test, head)).toMatchObject([{ state: 'pending', annotations: 100 }]);
    expect(await forge.setCheck(1, check(head, 120), BY)).toBe(true);
    expect(checksOn(test, head)).toMatchObject([{ state: 'failure', annotations: 120 }]);
  });

  it('a 502 after the last batch: done', async () => {
    const { test, head, forge } = await begin();
    test.faults.add({ kind: '502-after', method: 'PATCH', route: 'checks/update' });
    expect(await forge.setCheck(1, check(head, 60), BY)).toBe(true);
    expect(checksOn(test, head)).toMatchObject([{ state: 'failure', annotations: 60 }]);
    expect(test.state.checks).toHaveLength(1);
  });

  it('of a status, too', async () => {
    const { test, head, forge } = await begin('user');
    test.faults.add({ kind: '502-after', method: 'POST', route: 'repos/create-commit-status' });
    const long = check(head, 3, { title: `${'x'.repeat(300)}` });
    expect(await forge.setCheck(1, long, BY)).toBe(true);
    expect(test.state.statuses).toMatchObject([{ context: 'sluice/mirror', state: 'failure' }]);
    expect(test.state.statuses[0]?.description).toHaveLength(140);
    expect(await forge.setCheck(1, long, BY)).toBe(false);
  });
});

it('more annotations and text than GitHub takes are cut to what it takes', async () => {
  const { test, head, forge } = await begin('actions');
  expect(await forge.setCheck(1, check(head, 300, { text: '😀'.repeat(70_000) }), BY)).toBe(true);
  const [run] = test.state.checks;
  expect([run?.annotations.length, run?.text?.isWellFormed()]).toEqual([200, true]);
  expect(run?.text?.length).toBeLessThanOrEqual(65_535);
});

it('a run that another App made in our name is not ours: ours is made beside it', async () => {
  const { test, head, forge } = await begin();
  const other = (await githubOf(test, 'actions')).forge;
  expect(await other.setCheck(1, check(head, 0, { state: 'success', title: 'all good' }), BY)).toBe(true);
  expect(await forge.setCheck(1, check(head, 1), BY)).toBe(true);
  expect(checksOn(test, head)).toMatchObject([{ state: 'failure', title: 'red' }]);
  expect(test.state.checks).toHaveLength(2);
});

it('an App that lacks checks: write is told so', async () => {
  const { test, head } = await begin();
  delete test.settings.appPermissions['checks'];
  const { forge } = await githubOf(test, 'app');
  await expect(forge.setCheck(1, check(head, 0), BY)).rejects.toMatchObject({ code: 'FORGE_REFUSED' });
});
