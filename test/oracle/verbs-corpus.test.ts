import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SILENT } from '../../src/base/progress.ts';
import type { Delivered } from '../../src/flows/deliver.ts';
import { errata } from '../../src/flows/errata.ts';
import { hold, unhold } from '../../src/flows/hold.ts';
import { hotfix } from '../../src/flows/hotfix.ts';
import { promote } from '../../src/flows/promote.ts';
import { recall } from '../../src/flows/recall.ts';
import { remove } from '../../src/flows/remove.ts';
import { good, rollback } from '../../src/flows/rollback.ts';
import { Dnf, type DnfHost, type How } from '../fixtures/dnfHost.ts';
import { CORPUS, oracle } from '../fixtures/oracle.ts';
import { ALL, sampled } from '../fixtures/sample.ts';
import { CorpusSite } from './corpusHosts.ts';
import { tableOf, would } from './verbTable.ts';

/** What every run takes of AppStream and BaseOS; `npm run test:verbs` takes both whole, with all modules. */
const SAMPLE = new Set([
  'httpd',
  'mod_http2',
  'nginx',
  'vim',
  'nodejs',
  'nodejs-nodemon',
  'nodejs-packaging',
  'openssl',
]);
const TEAM = 'policies/teams/infra.yaml';
const NGINX = /^nginx-.*2:1\.20\.1-20\.el9\./;
const HTTPD = /^[+-] (?:httpd|mod_(?:ldap|lua|proxy_html|session|ssl))-/;

const MODULES: readonly How[] = [
  ['module install', 'nodejs:18'],
  ['module install', 'nodejs:20'],
];
const PROPOSE = { how: 'propose', all: false } as const;

describe.skipIf(CORPUS === undefined || !oracle('dnf') || !oracle('rpm'))(
  'each verb on AppStream and BaseOS, with dnf before and after',
  () => {
    const dir = mkdtempSync(join(tmpdir(), 'sluice-verbs-'));
    const dnf = new Dnf();
    let corpus: CorpusSite;
    let host: DnfHost;
    let original: DnfHost;
    /** What the host had: at first, after the hotfix, and after the wave; and main's commits. */
    const had = { first: [] as string[], fixed: [] as string[], wave: [] as string[] };
    const commit = { fixed: '' };

    beforeAll(async () => {
      corpus = await CorpusSite.open(dir, dnf, ALL ? undefined : SAMPLE);
      host = await corpus.hostOf('stable');
      original = await corpus.original(host);
      await host.take(['module install', 'nodejs:18']);
      await host.take(['install', 'httpd', 'nginx', 'vim-enhanced']);
      had.first = await host.installed();
      corpus.site.days(9);
      await corpus.move('late');
    });
    afterAll(async () => {
      dnf.stop();
      await corpus.close();
      rmSync(dir, { recursive: true, force: true });
      if (ALL) console.log(tableOf(corpus.rows));
    });

    const merge = async ([done]: readonly Delivered[]) => corpus.site.merge(done?.pull?.number);
    const step = (verb: string, act: () => Promise<void>) => corpus.row(verb, host, MODULES, act);
    const asked = { team: 'infra', reason: 'a test' };

    /** The hotfix is in stable, and the host has it. */
    const fixed = once(async () => {
      const request = { ...asked, to: 'stable', overrideHolds: undefined, sync: false, ...PROPOSE };
      const row = await step('hotfix', async () =>
        merge(await hotfix(corpus.site.world(), { ...request, named: ['CVE-2024-40001'] })),
      );
      await host.take(['upgrade']);
      had.fixed = await host.installed();
      commit.fixed = corpus.git('rev-parse', 'main');
      return row;
    });
    /** So is all else, and the host has that too. */
    const wave = once(async () => {
      await fixed();
      const row = await step('promote', () => corpus.promote());
      await host.take(['upgrade']);
      had.wave = await host.installed();
      return row;
    });

    const stories: (readonly [string, () => Promise<void>])[] = [];
    const story = (title: string, run: () => Promise<void>) => stories.push([title, run]);

    story('hotfix: the advisory’s builds and nothing else; the host upgrades to them', async () => {
      const { before, after, came, went } = await fixed();
      expect(before.would.get('upgrade')).toEqual([]);
      expect(before.security).toEqual([]);
      expect(came.filter((build) => !NGINX.test(build))).toEqual([]);
      expect(came).toContain('nginx-core-2:1.20.1-20.el9.x86_64');
      expect(went).toEqual([]);
      expect(would(after, 'upgrade')).toEqual([
        ...['nginx-2', 'nginx-core-2', 'nginx-filesystem-2'].map((n) =>
          expect.stringMatching(`^\\+ ${n}:1.20.1-20`),
        ),
        ...['nginx-1', 'nginx-core-1', 'nginx-filesystem-1'].map((n) =>
          expect.stringMatching(`^- ${n}:1.20.1-16`),
        ),
      ]);
      expect(after.security).toContain('SLSA-2024:0001 nginx-core-2:1.20.1-20.el9.x86_64');
      expect(after.security.filter((line) => !line.startsWith('SLSA-2024:0001 '))).toEqual([]);
      expect(after.modules).toEqual(before.modules);
    });

    story(
      'hold: nothing changes until the promotion, which leaves it and its siblings where they are',
      async () => {
        await fixed();
        const held = {
          ...asked,
          tier: 'stable',
          source: false,
          owner: '@acme/web',
          until: '90d',
          ...PROPOSE,
        };
        const holding = await step('hold', async () =>
          merge(await hold(corpus.site.world(), { ...held, patterns: ['httpd*'] })),
        );
        expect(holding.after).toEqual(holding.before);
        const { after } = await step('promote, past a hold', () => corpus.promote());
        const theirs = await original.look(...MODULES);
        const expected = would(theirs, 'upgrade').filter((line) => !HTTPD.test(line));
        expect(would(after, 'upgrade')).toEqual(expected);
        expect(would(theirs, 'upgrade').length).toBeGreaterThan(expected.length);
        expect(would(after, 'upgrade')).toContain('+ vim-enhanced-2:8.2.2637-21.el9.x86_64');
        expect(after.security).toEqual([]);
      },
    );

    story(
      'unhold and promote: dnf upgrade, module list and module install are the vendor’s own',
      async () => {
        const free = { ...asked, tier: 'stable', source: false, ...PROPOSE };
        const { after } = await step('unhold, promote', async () => {
          await merge(await unhold(corpus.site.world(), { ...free, patterns: ['httpd*'] }));
          await corpus.promote();
        });
        expect(after.security).toContain('SLSA-2024:0002 httpd-core-2.4.62-1.el9.x86_64');
        const theirs = await original.look(...MODULES);
        expect(after).toEqual({ ...theirs, available: expect.any(Array) });
        expect(after.modules).toContain('nodejs:22');
        expect(would(after, 'module install', 'nodejs:20').join()).toContain(
          '+ nodejs-1:20.18.1-1.module_el9',
        );
      },
    );

    story('frozen, and a dated set: only what is named moves', async () => {
      await wave();
      const certified = await corpus.hostOf('certified');
      await certified.take(['install', 'vim-enhanced', 'httpd']);
      const nothing = await corpus.row('promote into a frozen tier', certified, [], async () => {
        await corpus.site.merge(await corpus.site.promote('certified'));
      });
      expect(nothing.after).toEqual(nothing.before);
      const named = await corpus.row('promote vim-enhanced into a frozen tier', certified, [], async () => {
        const request = { packages: ['vim-enhanced'], team: 'infra', to: 'certified', ...PROPOSE };
        await merge(await promote(corpus.site.world(), request));
      });
      expect(named.came.filter((build) => !build.startsWith('vim-'))).toEqual([]);
      expect(would(named.after, 'upgrade')).toContain('+ vim-enhanced-2:8.2.2637-21.el9.x86_64');
      const text: string[] = [];
      const world = { ...corpus.site.world(), progress: SILENT, print: (line: string) => text.push(line) };
      await errata(world, {
        upstreams: [],
        kernels: false,
        asOf: '2024-07-05',
        team: 'infra',
        tier: 'stable',
      });
      const set = text.join('');
      expect(set).toContain('vim-enhanced.x86_64: "2:8.2.2637-20.el9"');
    });
    story(
      'rollback to a commit, to a date, to last-known-good: distro-sync gives exactly the former rpm -qa',
      async () => {
        await wave();
        const mark = {
          team: 'infra',
          tier: 'stable',
          reason: 'a test',
          owner: '@acme/ops',
          how: 'propose',
        } as const;
        await merge(await good(corpus.site.world(), { ...mark, at: commit.fixed }));
        const back = {
          ...asked,
          tier: 'stable',
          set: undefined,
          owner: undefined,
          until: undefined,
          ...PROPOSE,
        };
        const targets = [
          [commit.fixed, had.fixed],
          ['2024-07-02', had.first],
          ['last-known-good', had.fixed],
        ] as const;
        for (const [to, expected] of sampled(targets, 3)) {
          const { after } = await step(`rollback --to ${to}`, async () =>
            merge(await rollback(corpus.site.world(), { ...back, to })),
          );
          expect(would(after, 'distro-sync')).not.toEqual([]);
          await host.take(['distro-sync']);
          expect(await host.installed()).toEqual(expected);
        }
        const { after } = await step('holds of rollbacks removed, promote', async () => {
          await corpus.site.change({ [TEAM]: (text) => text.replace(/\nholds:[\s\S]*/, '\n') });
          await corpus.promote();
        });
        expect(would(after, 'upgrade')).toContain('+ httpd-core-2.4.62-1.el9.x86_64');
        await host.take(['upgrade']);
        expect(await host.installed()).toEqual(had.wave);
      },
    );

    story('remove: with its cascade; nothing else, and hosts keep what they have', async () => {
      await wave();
      const flags = { sources: false, cascade: true, below: false, owner: '@acme/db', until: undefined };
      const request = { ...asked, ...flags, named: ['vim-common'], tier: 'stable', ...PROPOSE };
      const { after, came, went } = await step('remove --cascade', async () =>
        merge(await remove(corpus.site.world(), request)),
      );
      expect(came).toEqual([]);
      expect(went.filter((build) => !/^vim-(?:common|enhanced|X11)-/.test(build))).toEqual([]);
      expect(went).toContain('vim-enhanced-2:8.2.2637-21.el9.x86_64');
      expect(would(after, 'upgrade')).toEqual([]);
      expect(await host.installed()).toEqual(had.wave);
    });

    story('recall: a source leaves every tier, hosts go back; withdrawn, it comes again', async () => {
      await wave();
      const request = { ...asked, cascade: true, ...PROPOSE };
      const certified = await corpus.hostOf('certified', 'another');
      const frozen = await certified.look();
      const { after, went } = await step('recall', async () =>
        merge(await recall(corpus.site.world(), { ...request, what: 'nginx-1.20.1-20.el9' })),
      );
      expect(went.filter((build) => NGINX.test(build)).length).toBeGreaterThan(2);
      expect(after.available.filter((build) => NGINX.test(build))).toEqual([]);
      expect(would(after, 'distro-sync').join()).toMatch(/\+ nginx-core-\d:1\.20\.1-1\d\.el9/);
      expect(after.security).toEqual([]);
      expect(await certified.look()).toEqual(frozen); // it never had them
      const { after: again } = await step('recall --withdraw, sync, promote', async () => {
        await merge(await recall(corpus.site.world(), { ...request, withdraw: 'nginx-1.20.1-20.el9' }));
        await corpus.follow();
        await corpus.promote();
      });
      expect(again.available.filter((build) => NGINX.test(build)).length).toBeGreaterThan(2);
      expect(would(again, 'distro-sync')).toEqual([]);
    });

    it.each(sampled(stories, 4))('%s', async (_, run) => run());
  },
);

/** Done when it is first asked for. */
function once<T>(act: () => Promise<T>): () => Promise<T> {
  let done: Promise<T> | undefined;
  return () => {
    done ??= act();
    return done;
  };
}
