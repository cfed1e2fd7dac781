import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { Fault } from '../../../src/base/fault.ts';
import { checkWorkTree } from '../../../src/flows/check-tree.ts';
import { pullClose, pullMerge } from '../../../src/flows/pull.ts';
import { pullOpen } from '../../../src/flows/pull-open.ts';
import { sampled } from '../../fixtures/sample.ts';
import { type Site, siteAgain } from '../site.ts';
import {
  expectFault,
  expectLine,
  faultOf,
  ID,
  later,
  makeTarget,
  photograph,
  type Refusal,
  sharedTarget,
  sluice,
} from './attack.ts';
import { git, type Planted, plant } from './commits.ts';

const target = sharedTarget();
const STABLE = `snapshots/infra/unstable/${ID}`;
const TEAM = 'policies/teams/infra.yaml';

/** One thing wrong with a manifest, and where people are told so. */
const MANIFESTS: readonly (readonly [
  what: string,
  change: (yaml: string) => string,
  place: string,
  says: RegExp,
])[] = [
  [
    'an alias bomb',
    (y) => y.replace('packages:', `x: &a [${'lol,'.repeat(9)}]\ny: [${'*a,'.repeat(9)}]\npackages:`),
    '',
    /anchor/,
  ],
  ['%YAML 1.1', (y) => `%YAML 1.1\n---\n${y}`, '1:1', /directive/],
  ['a tag', (y) => y.replace('kind: ', 'kind: !!str '), '', /tag/],
  ['an anchor', (y) => y.replace('kind: ', 'kind: &x '), '', /anchor/],
  [
    'a merge key',
    (y) => y.replace('packages:', 'x: { <<: { a: b } }\npackages:'),
    '',
    /merge key|unknown key/,
  ],
  ['a key twice', (y) => y.replace('kind: ', 'kind: x\nkind: '), '', /there twice/],
  ['two documents', (y) => `${y}---\n${y}`, '', /not YAML/],
  ['tabs', (y) => y.replace('\n  alpha', '\n\talpha'), '', /not YAML|tab|canonical/i],
  ['CRLF', (y) => y.replaceAll('\n', '\r\n'), '', /carriage return/],
  ['a byte order mark', (y) => `\ufeff${y}`, '1:1', /byte order mark/],
  ['50 MB', (y) => y + '#\n'.repeat(25 << 20), '', /5\d{7} characters|bytes/],
  ['a number for a version', (y) => y.replace(/"3:1.0-1.el9"/, '1.0'), '', /./],
  ['1e3 for a version', (y) => y.replace(/"3:1.0-1.el9"/, '1e3'), '', /./],
  [
    '__proto__ as a key',
    (y) => y.replace('packages:', '__proto__: { polluted: "yes" }\npackages:'),
    '',
    /__proto__/,
  ],
  [
    '__proto__ as a package without a lock line',
    (y) => y.replace('\n  alpha', '\n  __proto__.x86_64: "1-1"\n\n  alpha'),
    '',
    /./,
  ],
  ['a NUL', (y) => y.replace('alpha', 'al\0pha'), '', /U\+0000/],
  ['an escape sequence', (y) => y.replace('alpha', '\u001b[2Jalpha'), '', /U\+001B/],
  ['another repository in it', (y) => y.replace('infra-unstable', 'infra-stable'), '', /./],
  ['another kind', (y) => y.replace('kind: Snapshot', 'kind: Team'), '', /./],
  ['nothing', () => '', '', /./],
  ['a list', () => '- a\n- b\n', '', /./],
];

describe('group 10: a manifest in the work tree, by check', () => {
  it.each(sampled(MANIFESTS))('%s', async (_what, change, place, says) => {
    const { site } = target();
    const file = join(site.repoDir, `${STABLE}.yaml`);
    const good = readFileSync(file, 'utf8');
    const bad = change(good);
    expect(bad).not.toBe(good);
    writeFileSync(file, bad);
    const said = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    try {
      const before = await photograph(target());
      expect(await checkWorkTree(site.world())).toBe(false);
      expect(await photograph(target())).toEqual(before);
      const line = String(said.mock.calls[0]?.[0]).slice(0, 3_000);
      expect(line).toMatch(
        new RegExp(`^${STABLE}\\.(?:yaml|lock):${place || '\\d+:\\d+'}: [A-Z_]+: .+\\. [A-Z]`, 's'),
      );
      expect(line).toMatch(says);
    } finally {
      said.mockRestore();
      writeFileSync(file, good);
    }
  });

  it('as it is typed', async () => {
    const { site } = target();
    const file = join(site.repoDir, `${STABLE}.yaml`);
    const good = readFileSync(file, 'utf8');
    writeFileSync(file, `%YAML 1.1\n---\n${good}`);
    try {
      const { code, stderr } = await sluice(site, 'check');
      expect(code).toBe(1);
      expect(stderr).toMatch(
        new RegExp(
          `^${STABLE}.yaml:1:1: [A-Z_]+: a directive \\(%…\\) changes how YAML is read\\. Write it out`,
          'm',
        ),
      );
    } finally {
      writeFileSync(file, good);
    }
  });
});

type Files = Readonly<Record<string, Planted | string | null>>;

/** Content that somebody wants merged. */
async function attack(files: Files, wanted: Refusal): Promise<Fault> {
  const { site } = target();
  const bare = `${site.repoDir}.git`;
  await git(bare, ['update-ref', 'refs/heads/evil', await plant(bare, files, site.now)]);
  const number = await pullOpen(site.world(), 'evil', 'A harmless change');
  const before = await photograph(target());
  try {
    const fault = await faultOf(() => pullMerge(site.world(), number));
    expect(await photograph(target())).toEqual(before);
    expectFault(fault, wanted);
    return fault;
  } finally {
    await pullClose(site.world(), number, 'no');
    site.output();
  }
}

const unguarded = siteAgain(async (dir) => {
  const { site, lay } = await makeTarget(dir);
  return Object.assign(site, { lay });
});

/** The same on a main that nobody checked. What is good there may get its address by commit; nothing else is served. */
async function bypass(change: (site: Site) => Files, wanted: Refusal): Promise<void> {
  const site = await unguarded();
  const own = { site, lay: site.lay };
  const bare = `${site.repoDir}.git`;
  await own.lay(later({})); // news, so that sync has something to plan
  await git(bare, ['update-ref', 'refs/heads/main', await plant(bare, change(site), site.now)]);
  const seen = async () => {
    const { served, pool, forge } = await photograph(own);
    return {
      served: (served as string[]).filter(
        (line) =>
          !/^at\/[0-9a-f]{40}\/(?:vendor-live|infra-unstable)-|^at\/[0-9a-f]{40}\/statement\.json /.test(
            line,
          ),
      ),
      pool,
      forge,
    };
  };
  const before = await seen();
  const works = [() => site.promote('unstable'), () => site.sync(), () => site.publish()];
  for (const work of works) {
    // a team's policy says what may move up, not what is served: publishing does not ask it
    if (wanted.code === 'POLICY_INVALID' && work === works[2]) await work();
    else expectFault(await faultOf(work), wanted);
    expect(await seen()).toEqual(before);
  }
}

const UNREADABLE: Refusal = {
  code: [
    'MANIFEST_INVALID',
    'MANIFEST_NOT_CANONICAL',
    'LOCK_MISMATCH',
    'TOO_LARGE',
    'MALFORMED',
    'UNSAFE_PATH',
  ],
  at: /unstable\/test-9-x86_64-main\.(?:yaml|lock)/,
};

describe('group 10: a tree that a person pushed', () => {
  const inTree = (at: RegExp, says?: RegExp): Refusal => ({
    code: ['UNSAFE_PATH', 'MANIFEST_INVALID', 'LOCK_MISMATCH', 'POLICY_INVALID', 'GIT'],
    at,
    says,
  });
  const link = { mode: '120000', text: '/etc/shadow' } as const;
  const commit = 'c0ffee'.padEnd(40, '0');

  it.each(
    sampled([
      ['a manifest that is a link to /etc/shadow', { [`${STABLE}.yaml`]: link }, /unstable\/test-9/],
      ['a lock that is a link', { [`${STABLE}.lock`]: link }, /unstable\/test-9/],
      ['a policy that is a link', { [TEAM]: link }, /policies\/teams\/infra\.yaml/],
      ['a submodule for a team', { 'snapshots/evil': { mode: '160000', text: commit } }, /snapshots\/evil/],
      [
        'a gitlink for a manifest',
        { [`${STABLE}.yaml`]: { mode: '160000', text: commit } },
        /unstable\/test-9/,
      ],
      ['an exec bit', { [`${STABLE}.yaml`]: { mode: '100755', text: 'x' } }, /unstable\/test-9/],
      [
        'twins that differ by case',
        { 'policies/teams/INFRA.yaml': 'x: y\n' },
        /policies\/teams\/(?:INFRA|infra)\.yaml/,
      ],
      ['a folder that differs by case', { 'Policies/teams/infra.yaml': 'x: y\n' }, /Policies\/teams/],
      [
        'a path into .git',
        { 'snapshots/.git/config': '[core]\n\tfsmonitor = touch /tmp/x\n' },
        /\.git\/config/,
      ],
      ['a path into .git elsewhere', { 'docs/.git/hooks/post-checkout': 'x' }, /\.git\/hooks/],
      ['a path into .GIT', { '.GIT/config': 'x' }, /\.GIT\/config/],
      ['a name that is not UTF-8', { 'policies/keys/\xff': 'x' }, /policies\/keys/],
      ['a name with a line feed', { 'policies/keys/a\nb': 'x' }, /policies\/keys/],
      [
        'a manifest that is not UTF-8',
        { [`${STABLE}.yaml`]: Buffer.from([0xff, 0xfe, 0x0a]) },
        /unstable\/test-9/,
      ],
      ['a manifest in no place', { 'snapshots/infra/unstable/deep/er.yaml': 'x: y\n' }, /deep\/er/],
      [
        'a lock without its manifest',
        { 'snapshots/infra/unstable/test-9-x86_64-extra.lock': '' },
        /test-9-x86_64-extra/,
      ],
      ['a manifest without its lock', { [`${STABLE}.lock`]: null }, /unstable\/test-9/],
    ]) as readonly (readonly [string, Readonly<Record<string, Planted | Buffer | string | null>>, RegExp])[],
  )('%s', async (_what, files, at) => {
    const planted = Object.fromEntries(
      Object.entries(files).map(([path, f]) => [path, Buffer.isBuffer(f) ? { text: f } : f]),
    );
    await attack(planted, inTree(at));
  });

  it.each(sampled(MANIFESTS.filter(([what]) => !/^(another kind|nothing|a list)/.test(what))))(
    'a manifest with %s',
    async (_what, change, _place, says) => {
      const yaml = readFileSync(join(target().site.repoDir, `${STABLE}.yaml`), 'utf8');
      const wanted: Refusal = {
        code: ['MANIFEST_INVALID', 'MANIFEST_NOT_CANONICAL', 'LOCK_MISMATCH', 'TOO_LARGE', 'MALFORMED'],
        at: /unstable\/test-9-x86_64-main\.(?:yaml|lock)/,
      };
      const first = await attack({ [`${STABLE}.yaml`]: change(yaml) }, wanted);
      expect(first.message).toMatch(says);
    },
  );

  it.each(sampled(['an alias bomb', '50 MB', 'nothing', 'a NUL'], 2))(
    'a main that nobody checked: %s',
    async (which) => {
      const [, change] = MANIFESTS.find(([what]) => what === which) ?? [];
      await bypass(
        ({ repoDir }) => ({
          [`${STABLE}.yaml`]: change?.(readFileSync(join(repoDir, `${STABLE}.yaml`), 'utf8')) ?? '',
        }),
        UNREADABLE,
      );
    },
  );

  it('a main that nobody checked: a manifest that is a link', async () => {
    await bypass(() => ({ [`${STABLE}.yaml`]: link }), UNREADABLE);
  });
});

describe('group 11: a policy that a person pushed', () => {
  const tiers = (text: string) => (yaml: string) => yaml.replace(/tiers:[\s\S]*$/, `tiers:\n${text}`);
  const hold = (text: string) => (yaml: string) =>
    `${yaml}holds:\n  - { ${text}, reason: "r", owner: "@o" }\n`;
  const POLICIES: readonly (readonly [what: string, change: (yaml: string) => string])[] = [
    ['look-around', hold('match: "^(?!kernel)"')],
    ['a back-reference', hold(String.raw`match: '(a)\1'`)],
    ['an empty pattern', hold('match: ""')],
    ['an invalid pattern', hold('match: "("')],
    ['an invalid glob', hold('glob: "["')],
    ['a pattern of 5,000 characters', hold(`match: "${'a'.repeat(5_000)}"`)],
    ['a repetition bomb', hold('match: "((a{1000}){1000}){1000}"')],
    ['a wait of -1', tiers('  unstable: { from: live, wait: { seen: -1 } }\n')],
    ['a wait of NaN', tiers('  unstable: { from: live, wait: { seen: NaN } }\n')],
    ['a wait of 1e9', tiers('  unstable: { from: live, wait: { seen: 1e9 } }\n')],
    ['a wait of 999999w', tiers('  unstable: { from: live, wait: { seen: 999999w } }\n')],
    ['an unknown key', (yaml) => `${yaml}soak: 1d\n`],
    ['a cycle of tiers', tiers('  unstable: { from: stable }\n  stable: { from: unstable }\n')],
    ['a tier that is its own parent', tiers('  unstable: { from: unstable }\n')],
    ['a tier that is called __proto__', tiers('  __proto__: { from: live }\n')],
    ['a keep of 10^9', tiers('  unstable: { from: live, keep: 1000000000 }\n')],
    [
      'a zone that is none',
      tiers('  unstable: { from: live, window: { days: [mon], from: "09:00", zone: "../../etc/passwd" } }\n'),
    ],
    ['a team that is another one', (yaml) => yaml.replace('team: infra', 'team: ../../x')],
    ['a repository with ..', (yaml) => yaml.replace(/repositories:\n.*\n/, 'repositories: ["../../x"]\n')],
  ];

  it.each(sampled(POLICIES))('%s', async (_what, change) => {
    const yaml = readFileSync(join(target().site.repoDir, TEAM), 'utf8');
    const bad = change(yaml);
    expect(bad).not.toBe(yaml);
    await attack(
      { [TEAM]: bad },
      { code: ['POLICY_INVALID', 'MALFORMED', 'TOO_LARGE'], at: /^policies\/teams\/infra\.yaml:\d+:\d+$/ },
    );
  });

  it.each(sampled(['look-around', 'a cycle of tiers', 'an unknown key']))(
    'a main that nobody checked: %s',
    async (which) => {
      const [, change] = POLICIES.find(([what]) => what === which) ?? [];
      const at = /^policies\/teams\/infra\.yaml:\d+:\d+$/;
      await bypass(({ repoDir }) => ({ [TEAM]: change?.(readFileSync(join(repoDir, TEAM), 'utf8')) ?? '' }), {
        code: 'POLICY_INVALID',
        at,
      });
    },
  );

  it.each(
    sampled([
      ['a base URL that is a shell', 'baseurl: "ext::sh -c id"'],
      ['a base URL with credentials', 'baseurl: ["https://u:p@example.org/"]'],
      ['a base URL of javascript', 'baseurl: ["javascript:alert(1)"]'],
      ['an id with ..', 'id: ../../etc'],
      [
        'a key file with ..',
        'keys: [{ file: "../../../etc/shadow", fingerprint: "21CB256AE16FC54C6E652949702D426D350D275D" }]',
      ],
    ]),
  )('an upstream with %s', async (_what, line) => {
    const path = `policies/upstreams/${ID}.yaml`;
    const yaml = readFileSync(join(target().site.repoDir, path), 'utf8');
    const key = line.split(':')[0] ?? '';
    const bad = new RegExp(`^${key}:`, 'm').test(yaml)
      ? yaml.replace(new RegExp(`^${key}:.*\\n(?:[ -].*\\n)*`, 'm'), `${line}\n`)
      : `${yaml}${line}\n`;
    expect(bad).not.toBe(yaml);
    await attack(
      { [path]: bad },
      { code: ['POLICY_INVALID', 'MALFORMED', 'UNSAFE_URL'], at: /^policies\/upstreams\/.*\.yaml/ },
    );
  });

  it('as it is typed', async () => {
    const { site } = target();
    const path = join(site.repoDir, TEAM);
    const yaml = readFileSync(path, 'utf8');
    writeFileSync(path, hold('match: "^(?!kernel)"')(yaml));
    try {
      const { code, stderr } = await sluice(site, 'check');
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /^policies\/teams\/infra\.yaml:\d+:\d+: POLICY_INVALID: .*\. Write it without look-around/m,
      );
    } finally {
      writeFileSync(path, yaml);
    }
    await expectLine(
      target(),
      ['sync', '../../etc/passwd'],
      /^sluice: NOT_FOUND: there is no upstream \.\.\/\.\.\/etc\/passwd\. Name one of/,
    );
  });

  it.each(
    sampled([
      [
        '2,000 rules of patterns that hang backtracking engines, one of which has ended: linear time',
        1_999,
        true,
      ],
      ['10,000 rules: more than a team may have', 10_000, false],
    ]),
  )('%s', async (_what, count, good) => {
    const { site } = target();
    const path = join(site.repoDir, TEAM);
    const yaml = readFileSync(path, 'utf8');
    const rules = Array.from({ length: count }, (_, i) => `  - { match: (a+)+${i}$, reason: r, owner: o }\n`);
    const ended = '  - { match: ^b$, reason: r, owner: o, until: 2020-01-01 }\n';
    writeFileSync(path, `${yaml}holds:\n${ended}${rules.join('')}`);
    const said = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    try {
      expect(await checkWorkTree(site.world())).toBe(false); // the ended one is for somebody to renew or drop
      if (good) {
        expect(site.output()).toContain('ended on 2020-01-01 and stays in force');
        expect(said.mock.calls.join()).toMatch(/HELD: a hold of infra \(\^b\$, o\) ended on 2020-01-01/);
        expect(said.mock.calls).toHaveLength(1);
      } else
        expect(said.mock.calls.join()).toMatch(
          /^policies\/teams\/infra\.yaml:\d+:3: POLICY_INVALID: .*at most 2,000 holds/,
        );
    } finally {
      said.mockRestore();
      writeFileSync(path, yaml);
    }
  });
});
