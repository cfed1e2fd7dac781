import { describe, expect, it } from 'vitest';
import { lintPolicies } from '../../src/manifest/load.ts';
import { collectComplaints, loadPolicies, patternMatches } from '../../src/manifest/policy.ts';
import { APPSTREAM, FILES, files, TEAM } from './policies.ts';
import { said } from './samples.ts';

describe('policies', () => {
  it('are read as they are written, with their defaults', () => {
    const { upstreams, teams, site } = loadPolicies(files());
    expect(upstreams.get('rocky-9-x86_64-baseos')).toEqual({
      id: 'rocky-9-x86_64-baseos',
      path: 'policies/upstreams/rocky-9-x86_64-baseos.yaml',
      name: { os: 'rocky', version: '9', arch: 'x86_64', repo: 'baseos' },
      baseurl: ['https://dl.example.org/9/BaseOS/x86_64/os/'],
      keys: [{ file: 'keys/RPM-GPG-KEY-Rocky-9', fingerprint: '21CB256AE16FC54C6E652949702D426D350D275D' }],
      packages: { signatures: 'none', reason: 'checked at home', allow: [] },
      metadata: {
        signatures: 'none',
        reason: 'Rocky signs packages, not repomd.xml',
        severity: 'trusted',
        allow: [],
      },
      keep: 5,
      content: 'full',
      absent: new Map([['other', 'listed, but never published']]),
      weakChecksums: ['sha1'],
      forget: 30 * 86_400_000,
      alone: false,
      arches: [],
      parentHref: false,
      kickstart: false,
      client: {
        cert: { kind: 'env', variable: 'RHEL_CERT' },
        key: { kind: 'path', path: '/etc/pki/entitlement/key.pem' },
      },
    });
    expect(upstreams.get('rocky-9-x86_64-appstream')).toMatchObject({
      keep: 3,
      forget: 90 * 86_400_000,
      keys: [],
    });
    expect(site).toEqual({
      mirrorUrl: 'https://mirror.example.org',
      grace: 96 * 3_600_000,
      retain: 400 * 86_400_000,
      compression: 'zstd',
      forge: 'local',
      signing: [],
      mainSignedBy: [],
      owners: [],
      kernels: new Map(),
    });
    const infra = teams.get('infra');
    expect(infra?.tiers.map((tier) => tier.name)).toEqual(['unstable', 'stable', '1']); // as written, digits last
    expect(infra?.tiers[1]).toEqual({
      name: 'stable',
      from: 'unstable',
      wait: { seen: 10 * 86_400_000, inParent: 7 * 86_400_000 },
      security: new Map([
        ['critical', 86_400_000],
        ['important', 3 * 86_400_000],
      ]),
      keep: 4,
      keepInstallonly: 4,
      mode: 'updates-only',
      exceptions: [],
      window: { days: ['tue'], from: '09:00', zone: 'Europe/Berlin' },
      auto: true,
    });
    expect(infra?.tiers[2]).toMatchObject({
      wait: { seen: 0, inParent: 0 },
      keep: 2,
      mode: 'rolling',
      auto: false,
    });
    expect(infra?.holds.map((hold) => hold.at)).toEqual([
      'policies/teams/infra.yaml:12:5',
      'policies/teams/infra.yaml:13:5',
    ]);
    expect(infra?.holds[0]).toMatchObject({ owner: '@acme/hpc', until: '2027-03-31' });
    expect(loadPolicies(new Map())).toMatchObject({ site: { grace: 72 * 3_600_000, forge: 'local' } });
  });

  it('hold what they say, and nothing else', () => {
    const infra = loadPolicies(files()).teams.get('infra');
    const [kernel, mysql] = infra?.holds ?? [];
    const at = (
      name: string,
      tier = 'stable',
      repository = 'rocky-9-x86_64-appstream',
      source: string | undefined = undefined,
    ) => ({ name, source, repository, tier });
    if (!kernel || !mysql) throw new Error('no holds');
    expect(
      ['kernel', 'kernel-core', 'kernelshark', 'my-kernel'].map((n) => patternMatches(kernel, at(n))),
    ).toEqual([true, true, false, false]);
    expect(patternMatches(mysql, at('mysql-server'))).toBe(true);
    expect(patternMatches(mysql, at('mysql-server', 'unstable'))).toBe(false);
    expect(patternMatches(mysql, at('mysql-server', 'stable', 'rocky-9-x86_64-baseos'))).toBe(false);
    const [java] = infra?.deny ?? [];
    if (!java) throw new Error('no deny');
    expect(patternMatches(java, at('java-17-openjdk-headless', 'stable', 'x', 'java-17-openjdk'))).toBe(true);
    expect(patternMatches(java, at('java-17-openjdk'))).toBe(true); // without a source, it is its own
    expect(patternMatches(java, at('java-17-openjdk', 'stable', 'x', 'other'))).toBe(false);
  });

  it('of builds of one’s own have no address, and sign packages, not metadata', () => {
    const path = 'policies/upstreams/rocky-9-x86_64-appstream.yaml';
    const own = APPSTREAM.replace(/baseurl: .*\n/, 'source: added\n');
    expect(loadPolicies(files({ [path]: own })).upstreams.get('rocky-9-x86_64-appstream')).toMatchObject({
      source: 'added',
      baseurl: [],
      content: 'full',
    });
    const thin = files({ [path]: `${own}content: thin\n` });
    expect(collectComplaints(thin).map(said)).toEqual([
      `POLICY_INVALID ${path}:7:10 content builds that were added are nowhere else`,
    ]);
    const key = 'keys: [{ file: keys/k, fingerprint: "21cb256ae16fc54c6e652949702d426d350d275d" }]\n';
    const signed = own.replace(
      'metadata: { signatures: none, reason: "x" }',
      'metadata: { signatures: required }',
    );
    expect(collectComplaints(files({ [path]: `${signed}${key}` })).map(said)).toEqual([
      `POLICY_INVALID ${path}:6:25 metadata.signatures the metadata of what was added is made by Sluice`,
    ]);
  });

  it('carry an installation tree only from a URL that they name, and whole', () => {
    const path = 'policies/upstreams/rocky-9-x86_64-appstream.yaml';
    const id = 'rocky-9-x86_64-appstream';
    const tree = `${APPSTREAM}kickstart: true\n`;
    expect(loadPolicies(files({ [path]: tree })).upstreams.get(id)?.kickstart).toBe(true);
    const complaint = (text: string) =>
      collectComplaints(files({ [path]: text }))
        .map(said)
        .join('\n');
    const listed = tree.replace(/baseurl: .*\n/, 'mirrorlist: https://mirrors.example/list\n');
    expect(complaint(listed)).toMatch(/kickstart needs a baseurl/);
    expect(complaint(`${tree}content: thin\n`)).toMatch(/kickstart stands beside content: thin/);
    expect(complaint(tree.replace(/baseurl: .*\n/, 'source: added\n'))).toMatch(
      /kickstart stands beside source/,
    );
    expect(complaint(tree.replace('kickstart: true', 'kickstart: maybe'))).toMatch(/kickstart must be/);
  });

  it('have all their complaints told at once, by file, line and column', () => {
    const bad = files({
      'policies/teams/infra.yaml': TEAM.replace('2d', '3 dyas')
        .replace('Europe/Berlin', 'Berlin')
        .replace('2027-03-31', '2027-02-30')
        .replace('from: live', 'from: alive'),
      'policies/site.yaml': 'apiVersion: sluice/v1\nkind: Site\ngrace: soon\nmirrorURL: x\n',
    });
    expect(collectComplaints(bad).map(said)).toEqual([
      'POLICY_INVALID policies/site.yaml:3:8 grace must be a duration such as 90m, 72h, 7d or 2w, of at most ten years, not "soon"',
      'POLICY_INVALID policies/site.yaml:4:1 the file has the unknown key "mirrorURL"',
      'POLICY_INVALID policies/teams/infra.yaml:7:42 tiers.unstable.wait.seen must be a duration such as 90m, 72h, 7d or 2w, of at most ten years, not "3 dyas"',
    ]); // what the schema refuses first: the rest of a file is read once it has its form
    expect(
      collectComplaints(
        new Map([
          ...bad,
          ['policies/teams/infra.yaml', (bad.get('policies/teams/infra.yaml') ?? '').replace('3 dyas', '3d')],
          ['policies/site.yaml', FILES['policies/site.yaml'] ?? ''],
        ]),
      ).map(said),
    ).toEqual([
      'POLICY_INVALID policies/teams/infra.yaml:7:21 tiers.unstable.from must be one of live, unstable, stable, 1, not alive',
      'POLICY_INVALID policies/teams/infra.yaml:9:59 tiers.stable.window.zone must be an IANA time zone, not "Berlin"',
      'POLICY_INVALID policies/teams/infra.yaml:12:106 holds[0].until must be a day of the calendar, not 2027-02-30',
    ]);
  });
});

describe('what a policy is warned of', () => {
  it('patterns without an end, and thin upstreams', () => {
    const policies = loadPolicies(
      files({
        'policies/teams/infra.yaml': TEAM.replace('^kernel(-.*)?$', '^kernel(-.*)?').replace('mysql*', '"*"'),
        'policies/upstreams/rocky-9-x86_64-appstream.yaml': `${APPSTREAM}content: thin\n`,
      }),
    );
    expect(lintPolicies(policies).map((f) => `${f.at} ${f.message}`)).toEqual([
      'policies/teams/infra.yaml:12:5 "^kernel(-.*)?" has no $ at its end, so it also matches longer names',
      'policies/teams/infra.yaml:13:5 the glob "*" matches every package',
      'policies/upstreams/rocky-9-x86_64-appstream.yaml rocky-9-x86_64-appstream is thin: what the upstream drops is gone, so nothing can be kept or rolled back to',
    ]);
    expect(lintPolicies(loadPolicies(files()))).toEqual([]);
  });
});
