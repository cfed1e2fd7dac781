import { describe, expect, it } from 'vitest';
import { collectComplaints, loadPolicies } from '../../src/manifest/policy.ts';
import { FILES, files, TEAM, WEB } from './policies.ts';
import { faultOf, said } from './samples.ts';

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
      'signatures of packages, by nobody',
      /keys:[\s\S]*packages: { signatures: none, reason: "checked at home"/,
      'packages: { signatures: required',
      'POLICY_INVALID',
      '5:25',
      'packages.signatures signatures are required, but no key is named',
    ],
    [
      'signatures of metadata, by nobody',
      /keys:[\s\S]*metadata: { signatures: none,/,
      'packages: { signatures: none, reason: x }\nmetadata: { signatures: required,',
      'POLICY_INVALID',
      '6:25',
      'metadata.signatures signatures are required, but no key is named',
    ],
    [
      'signatures of packages that are never fetched',
      /packages: { signatures: none,([\s\S]*)content: full/,
      'packages: { signatures: required,$1content: thin',
      'POLICY_INVALID',
      '7:25',
      'packages.signatures packages of a thin upstream are never fetched',
    ],
    [
      'leniency where nothing is asked for',
      'packages: { signatures: none,',
      'packages: { allow: [sha1], signatures: none,',
      'POLICY_INVALID',
      '7:13',
      'packages.allow says nothing where no signature is asked for',
    ],
    [
      'a mirror list beside a metalink',
      'keep: 5',
      'metalink: https://m.example.org/link?a=b\nmirrorlist: https://m.example.org/list?a=b',
      'POLICY_INVALID',
      '10:1',
      'mirrorlist stands beside metalink',
    ],
    [
      'a mirror list on disk',
      'keep: 5',
      'mirrorlist: file:///srv/list',
      'POLICY_INVALID',
      '9:13',
      'mirrorlist must be https or http, not file',
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
      'a base URL of what is added',
      'baseurl:',
      'source: added\nbaseurl:',
      'POLICY_INVALID',
      '5:1',
      'baseurl stands beside source: added',
    ],
    [
      'a certificate for what is added',
      /baseurl: \[https.*\n/,
      'source: added\n',
      'POLICY_INVALID',
      '14:1',
      'client stands beside source: added',
    ],
    [
      'another source',
      'baseurl:',
      'source: found\nbaseurl:',
      'POLICY_INVALID',
      '4:9',
      'source must be added (builds come by sluice add), or left out, not "found"',
    ],
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
    [
      'an ftp URL',
      'https://dl',
      'ftp://dl',
      'POLICY_INVALID',
      '4:11',
      'must be an http, https, rsync or file URL',
    ],
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
