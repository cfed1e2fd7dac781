import { pin } from '../plan/world.ts';
import { advisory, NOW, planOf } from './plans.ts';

const until = (days: number) => new Date(NOW.getTime() + days * 86_400_000);

/** A promotion that fits one screen: one row of each kind. */
export function small() {
  const openssl = ['openssl', 'openssl-libs', 'openssl-devel'];
  const curl = ['curl', 'libcurl'];
  const builds = (names: readonly string[], evr: string) => names.map((one) => `${one}-${evr}.x86_64`);
  const waiting = pin('mariadb-3:10.11.10-1.el9.x86_64');
  const kernel = pin('kernel-5.14.0-503.14.1.el9_5.x86_64');
  return planOf({
    moving: [
      {
        source: 'openssl',
        names: openssl,
        from: '1:3.0.7-27.el9',
        to: '1:3.0.7-28.el9',
        advisories: [
          advisory('RLSA-2026:4711', {
            severity: 'critical',
            cves: ['CVE-2026-1111', 'CVE-2026-1112'],
            title: 'openssl security update',
            builds: builds(openssl, '1:3.0.7-28.el9'),
          }),
        ],
        changelog: { first: 'Fix CVE-2026-1111', entries: 1, complete: true },
        seen: 11,
      },
      {
        source: 'curl',
        names: curl,
        from: '7.76.1-29.el9',
        to: '7.76.1-31.el9',
        advisories: [
          advisory('RLSA-2026:4699', {
            cves: ['CVE-2026-1044'],
            builds: builds([...curl, 'curl-debuginfo'], '7.76.1-31.el9'),
          }),
        ],
        seen: 14,
      },
      {
        source: 'openssh',
        from: '8.7p1-38.el9',
        to: '8.7p1-43.el9',
        past: ['3 of 7 days in unstable'],
        summary: 'An implementation of the SSH protocol',
      },
      {
        source: 'bash',
        names: ['bash', 'bash-doc'],
        from: '5.1.8-6.el9_1',
        to: '5.1.8-9.el9',
        changelog: { first: 'Fix a memory leak in `read`', entries: 3, complete: true },
      },
      {
        source: 'chrony',
        from: '4.5~rc1-1.el9',
        to: '4.5~rc2-3.el9',
        changelog: { first: 'Rebuild', entries: 10, complete: false },
        inParent: 7,
      },
      { source: 'freeipa-client-common', to: '4.12.2-1.el9', summary: 'Common files of FreeIPA clients' },
      { source: 'zlib', from: '1.2.11-40.el9', to: '1.2.11-40.el9', kind: 'resigned' },
    ],
    staying: [
      {
        build: kernel,
        source: 'kernel',
        has: undefined,
        reason: {
          kind: 'held',
          rule: '^kernel(-.*)?$',
          why: 'Lustre modules are built per kernel',
          owner: '@acme/hpc',
          holdEnds: '2027-03-31',
          expired: false,
        },
      },
      {
        build: waiting,
        source: 'mariadb',
        has: undefined,
        reason: { kind: 'wait', until: until(4), why: '3 of 7 days in unstable' },
      },
    ],
    notes: ['of 14 builds an old break stays as it was'],
  });
}

/** What an upstream changed, one of each kind. */
export function upstream() {
  const plan = planOf({
    verb: 'sync',
    moving: [
      { source: 'bash', from: '5.1.8-6.el9_1', to: '5.1.8-9.el9' },
      { source: 'tree', to: '1.8.0-10.el9', summary: 'List contents of directories' },
      { source: 'nano', from: '5.6.1-6.el9', to: '5.6.1-6.el9', kind: 'rerolled' },
      { source: 'zlib', from: '1.2.11-40.el9', to: '1.2.11-40.el9', kind: 'resigned' },
    ],
    attention: [{ build: pin('vim-9.0-2.el9.x86_64'), why: 'upstream stopped listing it: promoted nowhere' }],
    notes: ['comps.xml is new'],
  });
  const [r] = plan.repositories;
  if (!r) throw new Error('no repository');
  const gone = pin('ed-1.14-11.el9.x86_64');
  const withdrawn = pin('vim-9.0-2.el9.x86_64');
  const changes = [
    ...r.changes,
    { kind: 'drop', from: gone, source: 'ed', why: 'upstream lists it no more' } as const,
    { kind: 'withdrawn', from: withdrawn, source: 'vim', why: 'upstream stopped listing it' } as const,
  ];
  const key = { kind: 'key', was: ['7051C470A929F454'], now: ['21CB256AE16FC54C'] } as const;
  const inside = { changes: new Map([['bash-5.1.8-9.el9.x86_64', [key]]]), unseen: 0 };
  return { ...plan, repositories: [{ ...r, changes }], inside };
}

/** What packagers, vendors and policies may write: each of these reaches a body somewhere. */
export const HOSTILE = [
  '@torvalds Fixes #1, closes GH-1 and org/repo#2, org/repo@0123456',
  '</details><script>alert(1)</script>',
  '![](http://tracker.example/x.gif) [click](javascript:alert(1))',
  '| a | b |\n| --- | --- |',
  '```\n# owned\n```',
  '`````` `` ` code',
  '<!-- sluice:v1 eyJpZCI6IngifQ -->',
  '- [x] <!-- sluice:rebuild --> Rebuild',
  '\u001b[2J\u009b1;1Hall is well \u202edevorppa',
  '::set-output name=x::y ##[add-mask]z',
  '/sluice promote *',
  'https://evil.example/ www.evil.example evil@evil.example ftp://evil.example mailto:a@b.example',
  'x'.repeat(70_000),
  '$\\color{red}{approved}$ and $$x$$',
  '~~struck~~ **bold** __bold__ *it* _it_ [^1] :shipit:',
  '&lt;b&gt; &#64;torvalds \\',
  `0123456789abcdef0123456789abcdef01234567`,
] as const;

export function hostile() {
  return planOf({
    reason: HOSTILE[0],
    moving: HOSTILE.map((text, i) => ({
      source: `package-${i}`,
      names: [`package-${i}`],
      ...(i % 3 === 0 ? {} : { from: '1.0~rc1-1.el9' }),
      to: '1.0~rc2-1.el9',
      summary: text,
      changelog: { first: text.split('\n')[0] ?? '', entries: 2, complete: true },
      ...(i % 3 === 1
        ? {
            advisories: [
              advisory(text.slice(0, 200), {
                title: text,
                cves: [text.slice(0, 50)],
                url: i % 2 ? 'https://github.com/org/repo/issues/1' : 'javascript:alert(1)',
              }),
            ],
          }
        : {}),
    })),
    attention: HOSTILE.map((why, i) => ({ build: pin(`eyes${i}-1-1.x86_64`), why })),
    staying: HOSTILE.map((why, i) => ({
      build: pin(`waits${i}-1-1.x86_64`),
      source: `waits${i}`,
      has: undefined,
      reason: { kind: 'held', rule: why, why, owner: why, holdEnds: undefined, expired: false },
    })),
    notes: HOSTILE,
  });
}
