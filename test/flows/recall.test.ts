import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { layDemoUpstream } from '../../scripts/demoUpstream.ts';
import { checkWorkTree, fixWorkTree } from '../../src/flows/check-tree.ts';
import { explain } from '../../src/flows/explain.ts';
import { fill, promote } from '../../src/flows/promote.ts';
import { publishMain } from '../../src/flows/publish.ts';
import { pullClose, pullMerge } from '../../src/flows/pull.ts';
import { type RecallRequest, recall } from '../../src/flows/recall.ts';
import { openLocalForge } from '../../src/forge/local.ts';
import { makeSite, type Site } from './site.ts';

const BASE = 'harbor-9-x86_64-base';
const dir = mkdtempSync(join(tmpdir(), 'sluice-recall-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const WHY = 'CVE-2026-10107, a trojan';
const ask = (o: Partial<RecallRequest>): RecallRequest => {
  return { reason: WHY, cascade: false, how: 'propose', all: false, ...o };
};
const NEW_TLS = 'harbor-tls-1:3.0.7-25.h9_1.x86_64';

let site: Site;
let vendor: string;
let early: string;
const git = (...args: string[]) =>
  execFileSync('git', ['-C', `${site.repoDir}.git`, ...args], { encoding: 'utf8' }).trim();
const mainText = (path: string) => git('show', `main:${path}`);
const has = (team: string, tier: string, name: string) => {
  const text = mainText(`snapshots/${team}/${tier}/${BASE}.yaml`);
  return new RegExp(`^  ${name}\\.x86_64: (.*)$`, 'm').exec(text)?.[1];
};
const fileOf = (id: string) => `policies/recalls/${id}.yaml`;

/** Two tiers: unstable has the wave, stable has what it was before; another team has the wave too. */
beforeAll(async () => {
  vendor = join(dir, 'vendor');
  const tiers = {
    unstable: { from: 'live' },
    stable: { from: 'unstable', keep: '1', wait: { inParent: '1d' } },
  };
  site = await makeSite({
    dir,
    upstreams: Object.fromEntries(
      ['base', 'apps'].map((r) => [`harbor-9-x86_64-${r}`, { baseurl: [`file://${vendor}/${r}`] }]),
    ),
    team: { tiers },
    files: {
      'policies/teams/web.yaml': `apiVersion: sluice/v1\nkind: Team\nteam: web\nrepositories: [${BASE}]\ntiers:\n  prod: { from: live, keep: 1 }\n`,
    },
  });
  await layDemoUpstream(vendor, 'before');
  await site.merge(await site.sync());
  await site.merge(await site.promote('unstable'));
  site.days(2);
  await site.merge(await site.promote('stable'));
  await layDemoUpstream(vendor, 'after');
  await site.sync(); // merges itself
  await site.merge(await site.promote('unstable'));
  const [web] = await fill(site.world(), { team: 'web', tier: 'prod', how: 'propose', all: false });
  await site.merge(web?.pull?.number);
  site.days(2);
  await site.merge(await site.promote('stable'));
  early = git('rev-parse', 'main');
  site.output();
}, 180_000);

/** A sync merges itself, unless a row is for a person. */
async function mergeOpen(number: number | undefined): Promise<void> {
  const forge = await openLocalForge(`${site.repoDir}.git`);
  if (number !== undefined && (await forge.get(number)).state === 'open') await site.merge(number);
}

describe('a recall', () => {
  it.each([
    ['that nobody has', { what: 'harbor-tls-3.0.7-26.h9' }, 'NOT_FOUND', /Did you mean harbor-tls-3\.0\.7-2/],
    ['that is a package of many builds', { what: 'harbor-tls-libs' }, 'USAGE', /harbor-tls-3\.0\.7-25\.h9_1/],
    ['of nothing', {}, 'USAGE', /--withdraw ID/],
    ['that does not stand', { withdraw: 'x' }, 'NOT_FOUND', /none/],
    ['with a reason of two lines', { what: NEW_TLS, reason: 'a\nb' }, 'MALFORMED', /./],
    ['of a library that others need', { what: 'harbor-libc-2.34-100.h9' }, 'BROKEN_SET', /--cascade/],
    [
      'of what a kernel’s other packages need',
      { what: 'kernel-core-6.1.0-17.h9.x86_64' },
      'BROKEN_SET',
      /--cascade/,
    ],
  ])('%s is refused, or says what follows', async (_, o, code, hint) => {
    const before = git('rev-parse', 'main');
    const asked = recall(site.world(), ask({ ...o, how: 'show' }));
    await expect(asked).rejects.toMatchObject({ code, hint: expect.stringMatching(hint) });
    expect(git('rev-parse', 'main')).toBe(before);
  });

  it('of one that others need names each of them, and with --cascade takes them along', async () => {
    const refused = recall(site.world(), ask({ what: 'kernel-core-6.1.0-17.h9.x86_64', how: 'show' }));
    await expect(refused).rejects.toMatchObject({
      message: expect.stringMatching(
        /kernel-6\.1\.0-17\.h9\.x86_64 needs kernel-core-uname-r = .* \(infra\/stable harbor-9-x86_64\)/,
      ),
    });
    const [done] = await recall(
      site.world(),
      ask({ what: 'kernel-core-6.1.0-17.h9.x86_64', how: 'show', cascade: true }),
    );
    const effects = done?.plan.follows?.effects.filter((e) => e.where.startsWith('infra/stable')) ?? [];
    expect(effects).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          build: 'kernel-6.1.0-17.h9.x86_64',
          what: expect.stringMatching(/^falls back to 6\.1\.0-12/),
          why: expect.stringMatching(/^goes along: needs/),
        }),
        expect.objectContaining({ build: 'kernel-core-6.1.0-17.h9.x86_64', why: 'recalled' }),
      ]),
    );
  });

  it('leaves every tier of every team and live in one pull request, and is published nowhere', async () => {
    await site.publish();
    const [shown] = await recall(site.world(), ask({ what: 'harbor-tls-3.0.7-25.h9_1', cascade: true }));
    expect(site.output()).toMatch(
      /harbor-tls-1:3\.0\.7-25\.h9_1\.x86_64 .*falls back to 1:3\.0\.7-24\.h9, from/,
    );
    const [again] = await recall(site.world(), ask({ what: 'harbor-tls-3.0.7-25.h9_1', cascade: true }));
    expect(again?.pull).toEqual({ ...shown?.pull, outcome: 'unchanged' });
    const number = shown?.pull?.number ?? 0;
    const pull = await (await openLocalForge(`${site.repoDir}.git`)).get(number);
    expect(pull.title).toBe(`Recall harbor-tls-3.0.7-25.h9_1: ${WHY}`);
    expect(pull.body).toContain('web/prod harbor-9-x86_64');
    await pullMerge(site.world(), number);
    for (const [team, tier] of [
      ['infra', 'unstable'],
      ['infra', 'stable'],
      ['web', 'prod'],
      ['vendor', 'live'],
    ] as const) {
      expect(has(team, tier, 'harbor-tls')).toBe('"1:3.0.7-24.h9"');
      expect(has(team, tier, 'harbor-tls-libs')).toBe('"1:3.0.7-24.h9"');
    }
    expect(mainText(`snapshots/vendor/live/${BASE}.yaml`)).toContain(
      `recalled: ${WHY} (harbor-tls-3.0.7-25.h9_1)`,
    );
    expect(mainText(fileOf('harbor-tls-3.0.7-25.h9_1'))).toContain(`- "${NEW_TLS} sha256:`);
    await site.publish();
    site.output();
    await publishMain(site.world(), undefined); // a standing recall keeps no run from being a no-op
    expect(site.output()).not.toContain('published');
    await expect(publishMain(site.world(), early)).rejects.toMatchObject({
      code: 'RECALLED',
      hint: expect.stringContaining('--withdraw harbor-tls-3.0.7-25.h9_1'),
    });
    await explain(site.world(), 'harbor-tls', 'infra');
    expect(site.output()).toContain(`${NEW_TLS} is recalled: ${WHY} (harbor-tls-3.0.7-25.h9_1)`);
    await expect(recall(site.world(), ask({ what: NEW_TLS }))).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('recalled already'),
    });
  }, 60_000);

  it('nobody brings it back: not a hand, not a sync, not a promotion, not a fill, in whatever order', async () => {
    const path = `snapshots/infra/stable/${BASE}.yaml`;
    const said = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const clone = (...args: string[]) =>
      execFileSync('git', ['-C', site.repoDir, ...args], { stdio: 'ignore' });
    clone('fetch', '-q', 'origin');
    clone('checkout', '-q', '-B', 'main', 'origin/main');
    const file = join(site.repoDir, path);
    const before = readFileSync(file, 'utf8');
    try {
      writeFileSync(
        file,
        before.replace('harbor-tls.x86_64: "1:3.0.7-24.h9"', 'harbor-tls.x86_64: "1:3.0.7-25.h9_1"'),
      );
      await fixWorkTree(site.world());
      expect(await checkWorkTree(site.world())).toBe(false);
      expect(said.mock.calls.join('\n')).toMatch(
        /snapshots\/infra\/stable\/harbor-9-x86_64-base\.yaml:\d+:\d+: RECALLED: harbor-tls-1:3\.0\.7-25\.h9_1\.x86_64 is recalled: CVE/,
      );
    } finally {
      said.mockRestore();
      clone('checkout', '-q', '.');
    }
    const steps = {
      sync: () => site.sync(),
      touched: async () => {
        await layDemoUpstream(vendor, 'later'); // upstream says something new, and lists the build still
        return site.sync();
      },
      promote: () => site.promote('unstable'),
      named: async () => {
        const request = {
          packages: ['harbor-tls'],
          team: 'infra',
          to: 'stable',
          how: 'propose',
          all: false,
        } as const;
        return (await promote(site.world(), request))[0]?.pull?.number;
      },
      fill: async () => {
        turn += 1;
        const name = `fill${turn}`;
        const team = `apiVersion: sluice/v1\nkind: Team\nteam: ${name}\nrepositories: [${BASE}]\ntiers:\n  prod: { from: live }\n`;
        await site.change({ [`policies/teams/${name}.yaml`]: team });
        const at = {
          team: name,
          tier: 'prod',
          at: git('log', '-1', '--format=%cI', early),
          how: 'propose',
          all: false,
        } as const;
        return (await fill(site.world(), at))[0]?.pull?.number; // what live had before the recall
      },
    };
    let turn = 0;
    const order = fc.shuffledSubarray(['sync', 'touched', 'promote', 'named', 'fill'] as const, {
      minLength: 5,
    });
    await fc.assert(
      fc.asyncProperty(order, async (names) => {
        for (const name of names) {
          site.days(1);
          await mergeOpen(await steps[name]());
        }
        const paths = git('ls-tree', '-r', '--name-only', 'main', 'snapshots').split('\n');
        const locks = paths.filter((p) => p.endsWith('.lock'));
        expect(locks.length).toBeGreaterThan(6);
        expect(locks.filter((p) => mainText(p).includes(NEW_TLS))).toEqual([]);
      }),
      { numRuns: 1, endOnFailure: true },
    );
  }, 120_000);

  it('withdrawn, the next sync takes it in and the tiers get it in their turn', async () => {
    const [done] = await recall(
      site.world(),
      ask({ withdraw: 'harbor-tls-3.0.7-25.h9_1', reason: 'a false alarm' }),
    );
    await pullMerge(site.world(), done?.pull?.number ?? 0);
    expect(mainText(fileOf('harbor-tls-3.0.7-25.h9_1'))).toContain(
      'withdrawn:\n  reason: "a false alarm"\n  by: "tester"',
    );
    expect(has('vendor', 'live', 'harbor-tls')).toBe('"1:3.0.7-24.h9"');
    await mergeOpen(await site.sync());
    expect(has('vendor', 'live', 'harbor-tls')).toContain('25.h9_1');
    await site.merge(await site.promote('unstable'));
    expect(has('infra', 'unstable', 'harbor-tls')).toContain('25.h9_1');
    const [twice] = await recall(site.world(), ask({ what: NEW_TLS, cascade: true })); // and may be recalled again, by its name
    expect(twice?.plan.follows?.effects).toContainEqual(
      expect.objectContaining({
        build: 'harbor-tls-libs-1:3.0.7-25.h9_1.x86_64',
        what: 'falls back to 1:3.0.7-24.h9',
      }),
    );
    expect([...(twice?.files.keys() ?? [])].filter((path) => path.includes('recalls'))).toEqual([
      fileOf('harbor-tls-3.0.7-25.h9_1.x86_64'),
    ]);
    await pullClose(site.world(), twice?.pull?.number ?? 0, undefined);
  }, 60_000);
});
