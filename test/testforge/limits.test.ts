import { describe, expect, it } from 'vitest';
import { beginMain, caller, testForge } from '../fixtures/testForge.ts';
import { startTestForge, type TestForge } from './server.ts';

async function begun(
  now?: () => Date,
): Promise<{ forge: TestForge; app: ReturnType<typeof caller>; main: string }> {
  const forge = await testForge(now ? { now } : {});
  const main = await beginMain(forge, { 'a.txt': 'one\n' });
  return { forge, app: caller(forge, forge.tokenOf('app')), main };
}

describe('checks and labels', () => {
  it('takes 50 annotations at once, and adds those of the next request', async () => {
    const { app, main } = await begun();
    const annotation = {
      path: 'a.txt',
      start_line: 1,
      end_line: 1,
      annotation_level: 'warning',
      message: 'x',
    };
    const output = (count: number) => ({
      title: 't',
      summary: 's',
      annotations: Array(count).fill(annotation),
    });
    const run = { name: 'sluice/plan', head_sha: main, status: 'in_progress' };
    expect(
      (await app('POST', 'check-runs', { ...run, output: output(50) })).body.output.annotations_count,
    ).toBe(50);
    const { id } = (await app('GET', `commits/${main}/check-runs`)).body.check_runs[0];
    const more = await app('PATCH', `check-runs/${id}`, { output: output(10), conclusion: 'success' });
    expect(more.body).toMatchObject({ status: 'completed', output: { annotations_count: 60 } });
    expect((await app('GET', `check-runs/${id}/annotations?per_page=100`)).body).toHaveLength(60);
  });

  it('makes labels that are not there, and knows them in any case of letters', async () => {
    const { app } = await begun();
    const { number } = (await app('POST', 'issues', { title: 'Dashboard', labels: ['sluice'] })).body;
    expect((await app('POST', 'labels', { name: 'Sluice' })).body.errors).toMatchObject([
      { code: 'already_exists' },
    ]);
    const added = await app('POST', `issues/${number}/labels`, { labels: ['SLUICE', 'sluice:edited'] });
    expect(added.body.map(({ name }: { name: string }) => name)).toEqual(['sluice', 'sluice:edited']);
    expect((await app('DELETE', `issues/${number}/labels/sluice%3Aedited`)).body).toHaveLength(1);
    expect((await app('DELETE', `issues/${number}/labels/nosuch`)).status).toBe(404);
    const long = await app('POST', `issues/${number}/labels`, { labels: ['x'.repeat(51)] });
    expect(long.status).toBe(422);
  });
});

describe('limits', () => {
  it('gives pages of 30 to 100 with Link', async () => {
    const { forge, app } = await begun();
    const at = { createdAt: '2026-03-10T09:00:00Z', updatedAt: '2026-03-10T09:00:00Z' };
    const { number } = (await app('POST', 'issues', { title: 'x' })).body;
    for (let id = 1; id <= 205; id++) {
      forge.state.comments.push({
        id,
        issue: number,
        by: forge.state.actor('anna'),
        body: `${id}`,
        ...at,
        reactions: [],
      });
    }
    const first = await app('GET', `issues/${number}/comments`);
    expect([first.body.length, first.headers.get('link')]).toEqual([
      30,
      expect.stringMatching(/[?&]page=2>; rel="next", <.*[?&]page=7>; rel="last"$/),
    ]);
    const last = await app('GET', `issues/${number}/comments?per_page=100&page=3`);
    expect([last.body.length, last.headers.get('link')]).toEqual([
      5,
      expect.not.stringContaining('rel="next"'),
    ]);
  });

  it('answers 304 to the ETag of the same answer, and does not count that', async () => {
    const { app } = await begun(() => new Date('2026-03-10T09:00:00Z'));
    const first = await app('GET', 'git/ref/heads/main');
    const same = { 'if-none-match': first.headers.get('etag') ?? '' };
    const again = await app('GET', 'git/ref/heads/main', undefined, same);
    expect([again.status, again.body]).toEqual([304, '']);
    expect(again.headers.get('x-ratelimit-used')).toBe(first.headers.get('x-ratelimit-used'));
  });

  it('has an hour’s limit that ends with the hour', async () => {
    let now = new Date('2026-03-10T09:00:00Z');
    const { forge, main } = await begun(() => now);
    const send = caller(forge, forge.tokenOf('user'));
    await send('GET', '');
    forge.faults.add({ kind: 'primary-limit' });
    const over = await send('GET', `git/commits/${main}`);
    expect(over.status).toBe(403);
    expect(over.headers.get('x-ratelimit-remaining')).toBe('0');
    expect(over.headers.get('x-ratelimit-reset')).toBe(String(Date.parse('2026-03-10T10:00:00Z') / 1000));
    expect((await send('GET', '')).status).toBe(403);
    now = new Date('2026-03-10T10:00:00Z');
    expect((await send('GET', '')).status).toBe(200);
  });

  it('has the secondary limits: 80 of what makes content in a minute; with and without retry-after', async () => {
    const { forge, app } = await begun(() => new Date('2026-03-10T09:00:00Z'));
    forge.settings.limits.contentPerMinute = 3;
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) statuses.push((await app('POST', 'issues', { title: `${i}` })).status);
    expect(statuses).toEqual([201, 201, 201, 403]);
    forge.faults.add({ kind: 'secondary-limit', retryAfter: 7 }, { kind: 'secondary-limit' });
    expect((await app('GET', '')).headers.get('retry-after')).toBe('7');
    expect(await app('GET', '')).toMatchObject({ status: 403, body: { message: /secondary rate limit/ } });
    expect((await app('GET', '')).status).toBe(200);
  });
});

describe('faults', () => {
  it('loses what was asked, or the answer; repeats; moves a head; ends a token', async () => {
    const { forge, app, main } = await begun();
    const issues = (): number => forge.state.issues.length;
    const create = (): Promise<unknown> => app('POST', 'issues', { title: 'x' });
    forge.faults.add({ kind: 'drop', route: 'issues/create' });
    await expect(create()).rejects.toThrow('fetch failed');
    expect(issues()).toBe(0);
    forge.faults.add({ kind: 'drop-after', method: 'POST' });
    await expect(create()).rejects.toThrow('fetch failed');
    expect(issues()).toBe(1);
    forge.faults.add({ kind: '502', method: 'POST' }, { kind: '502-after', method: 'POST' });
    expect([await create(), issues()]).toMatchObject([{ status: 502 }, 1]);
    expect([await create(), issues()]).toMatchObject([{ status: 502 }, 2]);
    forge.faults.add({ kind: 'duplicate', after: 1 });
    expect([await create(), issues()]).toMatchObject([{ status: 201 }, 3]);
    expect([await create(), issues()]).toMatchObject([{ status: 201 }, 5]);
    forge.faults.add({ kind: 'moved-head', route: '/repos/{owner}/{repo}/git/ref/{ref}' });
    expect((await app('GET', 'git/ref/heads/main')).body.object.sha).not.toBe(main);
    forge.faults.add({ kind: 'expired-token' });
    expect((await app('GET', '')).status).toBe(401);
    expect((await app('GET', '')).status).toBe(401);
    expect(forge.faults.unmet).toEqual([]);
    expect(forge.requests.filter(({ method }) => method === 'POST').map(({ status }) => status)).toEqual([
      ...[0, 0, 502, 502, 201, 201], // 0: no answer
    ]);
  });
});

describe('what GitHub does not describe fails the test', () => {
  it.each([
    ['an undeclared route', 'GET', 'milestones', undefined, /no such route/],
    ['an undeclared property', 'POST', 'issues', { title: 'x', label: ['x'] }, /undeclared property label/],
    [
      'labels at the creation of a pull request',
      'POST',
      'pulls',
      { title: 'x', head: 'a', base: 'b', labels: ['x'] },
      /labels/,
    ],
    ['a missing property', 'POST', 'git/refs', { ref: 'refs/heads/x' }, /required property 'sha'/],
    ['a wrong type', 'POST', 'git/trees', { tree: 'x' }, /must be array/],
    ['an undeclared query', 'GET', 'pulls?page_size=100', undefined, /undeclared query parameter page_size/],
    ['a wrong query', 'GET', 'pulls?state=merged', undefined, /must be equal to one of/],
    [
      '51 annotations',
      'POST',
      'check-runs',
      { name: 'x', head_sha: 'x', output: { summary: 's', annotations: Array(51).fill({}) } },
      /50 items/,
    ],
  ])('%s', async (_, method, path, body, words) => {
    const forge = await startTestForge();
    await caller(forge, forge.tokenOf('app'))(method, path, body);
    await expect(forge.stop()).rejects.toThrow(words);
  });

  it('an answer of its own that is not as described, too', async () => {
    const forge = await startTestForge();
    forge.state.labels.push({ id: 'x' as unknown as number, name: 'n', color: 'ededed', description: null });
    await caller(forge, forge.tokenOf('app'))('GET', 'labels');
    await expect(forge.stop()).rejects.toThrow(/answer: 200.*must be integer/);
  });
});
