import { describe, expect, it } from 'vitest';
import { lintPolicies } from '../../src/manifest/load.ts';
import { collectComplaints, loadPolicies, patternMatches } from '../../src/manifest/policy.ts';
import { faultOf, said } from './samples.ts';

const UPSTREAM = `apiVersion: sluice/v1
kind: Upstream
id: rocky-9-x86_64-baseos
baseurl: [https://dl.example.org/9/BaseOS/x86_64/os/]
keys:
  - { file: keys/RPM-GPG-KEY-Rocky-9, fingerprint: "21cb256ae16fc54c6e652949702d426d350d275d" }
packages: { signatures: none, reason: "checked at home" }
metadata: { signatures: none, reason: "Rocky signs packages, not repomd.xml", severity: trusted }
keep: 5
content: full
absent: { other: "listed, but never published" }
weakChecksums: [sha1]
forget: 30d
client: { cert: $RHEL_CERT, key: /etc/pki/entitlement/key.pem }
`;
const APPSTREAM = `apiVersion: sluice/v1
kind: Upstream
id: rocky-9-x86_64-appstream
baseurl: ["file:///srv/rocky/9/AppStream"]
packages: { signatures: none, reason: "x" }
metadata: { signatures: none, reason: "x" }
`;
const TEAM = `apiVersion: sluice/v1
kind: Team
team: infra
repositories: [rocky-9-x86_64-baseos, rocky-9-x86_64-appstream]
also: [web-prod-rocky-9-x86_64-baseos]
tiers:
  unstable: { from: live, wait: { seen: 2d }, keep: 2 }
  stable:   { from: unstable, wait: { inParent: 7d, seen: 10d }, security: { critical: 1d, important: 3d }, keep: 4,
              window: { days: [tue], from: "09:00", zone: Europe/Berlin }, mode: updates-only, auto: true }
  "1": { from: stable }
holds:
  - { match: "^kernel(-.*)?$", reason: "Lustre modules are built per kernel", owner: "@acme/hpc", until: 2027-03-31 }
  - glob: mysql*
    tier: stable
    repository: rocky-9-x86_64-appstream
    reason: customers
    owner: dba
deny:
  - { source: ^java-.*-openjdk$ }
`;
const WEB = `apiVersion: sluice/v1
kind: Team
team: web
repositories: [rocky-9-x86_64-baseos]
tiers: { prod: { from: live } }
`;

const FILES: Readonly<Record<string, string>> = {
  'policies/upstreams/rocky-9-x86_64-baseos.yaml': UPSTREAM,
  'policies/upstreams/rocky-9-x86_64-appstream.yaml': APPSTREAM,
  'policies/teams/infra.yaml': TEAM,
  'policies/teams/web.yaml': WEB,
  'policies/site.yaml':
    'apiVersion: sluice/v1\nkind: Site\nmirrorUrl: https://mirror.example.org\ngrace: 96h\n',
  'policies/keys/RPM-GPG-KEY-Rocky-9': 'armoured: [',
  'policies/README.md': '# Ours',
};
const files = (change: Readonly<Record<string, string>> = {}) =>
  new Map(Object.entries({ ...FILES, ...change }));

/** The complaints after one replacement in the file whose text has `from`. */
function complaintsAfter(from: string | RegExp, to: string): string[] {
  for (const [path, text] of Object.entries(FILES)) {
    const changed = text.replace(from, to);
    if (changed === text) continue;
    const all = files({ [path]: changed });
    const found = collectComplaints(all).map(said);
    expect(faultOf(() => loadPolicies(all))).toBe(found[0]); // loading says the first of them
    return found;
  }
  throw new Error(`${from} is nowhere`);
}

describe('policies', () => {
  it('are read as they are written, with their defaults', () => {
    const { upstreams, teams, site } = loadPolicies(files());
    expect(upstreams.get('rocky-9-x86_64-baseos')).toEqual({
      id: 'rocky-9-x86_64-baseos',
      path: 'policies/upstreams/rocky-9-x86_64-baseos.yaml',
      name: { os: 'rocky', version: '9', arch: 'x86_64', repo: 'baseos' },
      baseurl: ['https://dl.example.org/9/BaseOS/x86_64/os/'],
      keys: [{ file: 'keys/RPM-GPG-KEY-Rocky-9', fingerprint: '21CB256AE16FC54C6E652949702D426D350D275D' }],
      packages: { signatures: 'none', reason: 'checked at home' },
      metadata: { signatures: 'none', reason: 'Rocky signs packages, not repomd.xml', severity: 'trusted' },
      keep: 5,
      content: 'full',
      absent: new Map([['other', 'listed, but never published']]),
      weakChecksums: ['sha1'],
      forget: 30 * 86_400_000,
      alone: false,
      arches: [],
      parentHref: false,
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
      mode: 'updates-only',
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

describe('what a policy must not say', () => {
  it.each([
    ['a negative wait', 'seen: 2d', 'seen: -1', '7:41', 'tiers.unstable.wait.seen must be a duration'],
    ['a wait that is not a number', 'seen: 2d', 'seen: NaN', '7:41', 'must be a duration'],
    ['a wait of 1e9', 'seen: 2d', 'seen: 1e9', '7:41', 'must be a duration'],
    ['a wait without a unit', 'seen: 2d', 'seen: 2', '7:41', 'must be a duration'],
    ['a wait of nothing', 'seen: 2d', 'seen: ', '7:42', 'must be a duration'],
    ['a wait of a hundred years', 'seen: 2d', 'seen: 36500d', '7:41', 'at most ten years'],
    ['an infinite wait', 'seen: 2d', 'seen: Infinity', '7:41', 'must be a duration'],
    ['an unknown wait', 'seen: 2d', 'soak: 2d', '7:35', 'tiers.unstable.wait has the unknown key "soak"'],
    ['an unknown key', 'holds:', 'hold:', '11:1', 'the file has the unknown key "hold"'],
    [
      'an unknown key of a hold',
      'until: 2027',
      'untill: 2027',
      '12:99',
      'holds[0] has the unknown key "untill"',
    ],
    ['an unknown key of a tier', 'mode:', 'modus:', '9:76', 'tiers.stable has the unknown key "modus"'],
    [
      'a severity that is none',
      'critical: 1d',
      'urgent: 1d',
      '8:78',
      'tiers.stable.security has the unknown key "urgent"',
    ],
    [
      'a mode that is none',
      'updates-only',
      'sometimes',
      '9:82',
      'tiers.stable.mode must be rolling, updates-only or frozen, not "sometimes"',
    ],
    [
      'keep 0',
      'keep: 2',
      'keep: 0',
      '7:53',
      'tiers.unstable.keep must be a whole number from 1 to 1000, not "0"',
    ],
    ['keep half', 'keep: 2', 'keep: 1.5', '7:53', 'must be a whole number'],
    [
      'a switch that is neither',
      'auto: true',
      'auto: yes',
      '9:102',
      'tiers.stable.auto must be true or false, not "yes"',
    ],
    ['no reason for a hold', /reason: "Lustre[^"]*", /, '', '12:5', 'holds[0] lacks the key "reason"'],
    ['no owner for a hold', 'owner: "@acme/hpc", ', '', '12:5', 'holds[0] lacks the key "owner"'],
    [
      'a date that is none',
      '2027-03-31',
      'soon',
      '12:106',
      'holds[0].until must be a date such as 2027-03-31, not "soon"',
    ],
    ['a month 13', '2027-03-31', '2027-13-01', '12:106', 'must be a day of the calendar'],
    ['a hold on nothing', 'match: "^kernel(-.*)?$", ', '', '12:5', 'holds[0] must say what it matches'],
    [
      'both match and glob',
      'match: "^kernel',
      'glob: x, match: "^kernel',
      '12:7',
      'holds[0].glob must not stand beside match',
    ],
    [
      'a hold in an unknown tier',
      'tier: stable',
      'tier: stabel',
      '14:11',
      "holds[1].tier must be one of the team's tiers, not stabel",
    ],
    [
      'a hold in an unknown repository',
      'repository: rocky-9-x86_64-appstream',
      'repository: rocky-9-x86_64-crb',
      '15:17',
      "must be one of the team's repositories",
    ],
    [
      'a deny that denies nothing',
      '{ source: ^java-.*-openjdk$ }',
      '{}',
      '19:5',
      'deny[0] must say what it matches',
    ],
    [
      'an unknown upstream',
      'repositories: [rocky-9-x86_64-baseos, ',
      'repositories: [rocky-9-x86_64-crb, ',
      '4:16',
      'repositories[0] names rocky-9-x86_64-crb, which no policy declares',
    ],
    [
      'an upstream twice',
      'x86_64-baseos, rocky-9-x86_64-appstream]',
      'x86_64-baseos, rocky-9-x86_64-baseos]',
      '4:39',
      'repositories[1] names rocky-9-x86_64-baseos twice',
    ],
    [
      'another repository that does not exist',
      'also: [web-prod',
      'also: [web-test',
      '5:8',
      'also[0] names web-test-rocky-9-x86_64-baseos',
    ],
    [
      'a tier that is its own parent',
      'from: unstable',
      'from: stable',
      '8:21',
      'tiers.stable.from must not be the tier itself',
    ],
    [
      'a parent that does not exist',
      'from: unstable',
      'from: testing',
      '8:21',
      'tiers.stable.from must be one of live, unstable, stable, 1, not testing',
    ],
    ['a tier named live', '  unstable: {', '  live: {', '7:3', 'tiers.live must not be named live'],
    ['a tier with a hyphen', '"1":', 'pre-prod:', '10:3', '"pre-prod" in tiers is not a tier\'s name'],
    [
      'a team of another name',
      'team: infra',
      'team: infrb',
      '3:7',
      "team must be the file's name, not infrb",
    ],
    [
      'a window without a zone',
      ', zone: Europe/Berlin',
      '',
      '9:15',
      'tiers.stable.window lacks the key "zone"',
    ],
    ['a zone that is an offset', 'Europe/Berlin', '"+01:00"', '9:59', 'must be an IANA time zone'],
    [
      'a time of day that is none',
      '"09:00"',
      '"24:00"',
      '9:44',
      'tiers.stable.window.from must be a time of day',
    ],
    [
      'a window of no length',
      '"09:00",',
      '"09:00", to: "09:00",',
      '9:57',
      'tiers.stable.window.to must not equal from',
    ],
    ['a day that is none', '[tue]', '[tuesday]', '9:32', 'tiers.stable.window.days[0] must be one of mon'],
    ['a day twice', '[tue]', '[tue, tue]', '9:31', 'each at most once'],
    ['no days', '[tue]', '[]', '9:31', 'not an empty list'],
    ['a file of another kind', 'kind: Team', 'kind: Site', '2:7', 'kind must be Team, not "Site"'],
  ])('%s', (_what, from, to, place, message) => {
    const found = complaintsAfter(from, to);
    const path = found[0]?.split(' ')[1]?.replace(/:\d+:\d+$/, '');
    expect(found.join('\n')).toContain(`POLICY_INVALID ${path}:${place} `);
    expect(found.join('\n')).toContain(message);
  });

  it.each([
    [
      'signatures of packages',
      'packages: { signatures: none,',
      'packages: { signatures: required,',
      'NOT_SUPPORTED',
      '7:25',
      'packages.signatures: required is not supported yet',
    ],
    [
      'signatures of metadata',
      'metadata: { signatures: none,',
      'metadata: { signatures: required,',
      'NOT_SUPPORTED',
      '8:25',
      'metadata.signatures: required is not supported yet',
    ],
    [
      'a mirror list',
      'keep: 5',
      'mirrorlist: https://m.example.org/list',
      'NOT_SUPPORTED',
      '9:13',
      'mirrorlist is not supported yet',
    ],
    [
      'a metalink',
      'keep: 5',
      'metalink: https://m.example.org/list',
      'NOT_SUPPORTED',
      '9:11',
      'metalink is not supported yet',
    ],
    [
      'no reason for no signatures',
      'none, reason: "checked at home"',
      'none',
      'POLICY_INVALID',
      '7:1',
      'packages lacks the key "reason"',
    ],
    ['no base URL', /baseurl: \[https.*\n/, '', 'POLICY_INVALID', '1:1', 'the file lacks the key "baseurl"'],
    [
      'an empty list of URLs',
      /\[https.*\]/,
      '[]',
      'POLICY_INVALID',
      '4:10',
      'baseurl must be a list of 1 to 20 base URLs, not an empty list',
    ],
    [
      'a password in a URL',
      'https://dl',
      'https://u:p@dl',
      'POLICY_INVALID',
      '4:11',
      'must not have a user or a password',
    ],
    ['an ftp URL', 'https://dl', 'ftp://dl', 'POLICY_INVALID', '4:11', 'must be an http, https or file URL'],
    [
      'a URL that climbs',
      '9/BaseOS',
      '9/../8/BaseOS',
      'POLICY_INVALID',
      '4:11',
      'must be written as it is used',
    ],
    [
      'a URL that climbs, escaped',
      '9/BaseOS',
      '%2e%2E/BaseOS',
      'POLICY_INVALID',
      '4:11',
      'must not have escaped dots or slashes',
    ],
    [
      'a URL with a backslash',
      'dl.example.org/9',
      'dl.example.org\\@evil/9',
      'POLICY_INVALID',
      '4:11',
      'must be written as it is used',
    ],
    [
      'a URL with a query',
      'os/]',
      'os/?token=1]',
      'POLICY_INVALID',
      '4:11',
      'must not have a query or a fragment',
    ],
    [
      'a host by number',
      'dl.example.org',
      '0x7f.1',
      'POLICY_INVALID',
      '4:11',
      'must be written as it is used, "https://127.0.0.1',
    ],
    [
      'a key outside of policies/',
      'keys/RPM',
      '../../etc/RPM',
      'POLICY_INVALID',
      '6:13',
      'keys[0].file must be a file below policies/',
    ],
    [
      'half a fingerprint',
      '21cb256ae16fc54c6e65',
      '',
      'POLICY_INVALID',
      '6:52',
      'keys[0].fingerprint must be a fingerprint',
    ],
    [
      'an id of another form',
      'id: rocky-9-x86_64-baseos',
      'id: rocky-9',
      'POLICY_INVALID',
      '3:5',
      'id: "rocky-9" is not an? upstream id',
    ],
    [
      'an id of another file',
      'id: rocky-9-x86_64-baseos',
      'id: rocky-8-x86_64-baseos',
      'POLICY_INVALID',
      '3:5',
      "id must be the file's name",
    ],
    [
      'a weak checksum that is none',
      '[sha1]',
      '[crc32]',
      'POLICY_INVALID',
      '12:17',
      'weakChecksums[0] must be md5 or sha1, not "crc32"',
    ],
    [
      'severity that a mirror could say',
      'severity: trusted',
      'severity: high',
      'POLICY_INVALID',
      '8:89',
      'metadata.severity must be trusted',
    ],
    [
      'a certificate in git',
      '/etc/pki/entitlement/key.pem',
      'keys/key.pem',
      'POLICY_INVALID',
      '14:34',
      'client.key must be an absolute path, or $NAME',
    ],
    [
      'a certificate that climbs',
      '/etc/pki/entitlement/key.pem',
      '/etc/../key.pem',
      'POLICY_INVALID',
      '14:34',
      'client.key must be an absolute path',
    ],
    [
      'a certificate without its key',
      ', key: /etc/pki/entitlement/key.pem',
      '',
      'POLICY_INVALID',
      '14:1',
      'client lacks the key "key"',
    ],
    [
      'an absence without a reason',
      '"listed, but never published"',
      '""',
      'POLICY_INVALID',
      '11:18',
      'absent.other must be a reason',
    ],
  ])('an upstream with %s', (_what, from, to, code, place, message) => {
    const found = complaintsAfter(from, to).join('\n');
    expect(found).toContain(`${code} policies/upstreams/rocky-9-x86_64-baseos.yaml:${place} `);
    expect(found).toMatch(new RegExp(message.replace(/[.[\]()$\\]/g, '\\$&')));
  });

  it.each([
    ['policies/team/infra.yaml'],
    ['policies/teams/infra.yml'],
    ['policies/teams/x/infra.yaml'],
    ['policies/holds.yaml'],
  ])('a policy in a place where nobody would read it: %s', (path) => {
    expect(collectComplaints(files({ [path]: TEAM })).map(said)).toEqual([
      `POLICY_INVALID ${path}:1:1 ${path} is not a place for a policy`,
    ]);
  });

  it('a circle of tiers, told for each of them', () => {
    const circle = '{ a: { from: c }, b: { from: a }, c: { from: b }, d: { from: c } }';
    const text = WEB.replace('{ prod: { from: live } }', circle);
    const found = collectComplaints(files({ 'policies/teams/web.yaml': text }));
    expect(found.map((f) => f.message)).toEqual([
      'also[0] names web-prod-rocky-9-x86_64-baseos, which no policy declares', // gone with its tier
      'tiers.a.from makes a circle: a ← c ← b ← a',
      'tiers.b.from makes a circle: b ← a ← c ← b',
      'tiers.c.from makes a circle: c ← b ← a ← c',
    ]);
  });

  it('10,000 holds', () => {
    const hold = '  - { match: "^a$", reason: r, owner: o }\n';
    const text = `${WEB}holds:\n${hold.repeat(10_000)}`;
    expect(collectComplaints(files({ 'policies/teams/web.yaml': text })).map(said)).toEqual([
      'POLICY_INVALID policies/teams/web.yaml:7:3 holds must be a list of at most 2,000 holds, not a list of 10000',
    ]);
    expect(
      collectComplaints(files({ 'policies/teams/web.yaml': `${WEB}holds:\n${hold.repeat(2_000)}` })),
    ).toEqual([]);
  });

  it('but a hold whose day has passed: it stays in force', () => {
    const past = files({ 'policies/teams/infra.yaml': TEAM.replace('2027-03-31', '2001-01-01') });
    expect(loadPolicies(past).teams.get('infra')?.holds[0]?.until).toBe('2001-01-01');
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
