import { expect, it } from 'vitest';
import { ticked } from '../../src/report/box.ts';
import { dashboard } from '../../src/report/dashboard.ts';
import { BODY_LIMIT } from '../../src/report/limits.ts';
import { busy } from './dashboards.ts';
import { GITHUB, NOW } from './plans.ts';
import { expectWellFormed } from './well-formed.ts';

const EMPTY = { now: NOW, waiting: [], holds: [], upstreams: [], pulls: [], declined: [] };

it('says since when policy holds back what upstream shows, and what of it waits for whom', async () => {
  const text = dashboard(busy({ words: ['Lustre modules are built per kernel', 'a test'] }), GITHUB);
  expect(text).toContain('| infra/stable rocky-9-x86_64 | 4 | 9 days | 2 held, 2 wait their days |');
  expect(text).toContain('**too old since 2026-03-08**');
  await expect(text).toMatchFileSnapshot('golden/dashboard.md');
});

it('equal data, equal bytes; another hour of the same day changes nothing', () => {
  const later = { ...busy(), now: new Date(NOW.getTime() + 3_600_000) };
  expect(dashboard(busy(), GITHUB)).toBe(dashboard(busy(), GITHUB));
  expect(dashboard(later, GITHUB)).toBe(dashboard(busy(), GITHUB));
});

it('stays within the limit: what waits is cut before holds, open pull requests last', () => {
  const text = dashboard(busy({ waiting: 20_000 }), GITHUB);
  expect(text.length).toBeLessThanOrEqual(BODY_LIMIT);
  expectWellFormed(text);
  expect(text).toMatch(/… and [\d,]+ more: `sluice explain NAME` tells of each/);
  expect(text).toContain('| #116 |');
  expect(dashboard(busy(), { ...GITHUB, bodyLimit: 300 }).length).toBeLessThanOrEqual(300);
});

it('boxes are commands where they can be ticked, and only ours, whole lines, ticked', () => {
  const text = dashboard(busy(), GITHUB);
  expect(ticked(text)).toEqual([]);
  expect(ticked(text.replace('- [ ] <!-- sluice:discard 100', '- [x] <!-- sluice:discard 100'))).toEqual([
    'discard 100',
  ]);
  expect(ticked('> - [x] <!-- sluice:sync --> a\n- [x] <!-- sluice:sync; rm --> b\n- \\[x\\] c')).toEqual([]);
  expect(dashboard(busy(), { ...GITHUB, taskLists: false })).not.toContain('- [ ]');
});

it('of nothing at all says so', () => {
  expect(dashboard(EMPTY, GITHUB)).toContain('> 0 open pull requests, 0 source packages that wait, 0 holds.');
});
