import { describe, expect, it } from 'vitest';
import { alsoRepository, clientSetsOf, setsOfAlso } from '../../src/manifest/client-sets.ts';
import { formatRepositoryId } from '../../src/manifest/ids.ts';
import { collectComplaints, loadPolicies } from '../../src/manifest/policy.ts';
import { FILES, files, TEAM } from './policies.ts';
import { said } from './samples.ts';

const INFRA = 'policies/teams/infra.yaml';
const ALSO = 'also: [web-prod-rocky-9-x86_64-baseos]';

/** An upstream of somebody else's. */
function upstream(id: string, more = ''): [string, string] {
  const text = FILES['policies/upstreams/rocky-9-x86_64-appstream.yaml'] ?? '';
  return [`policies/upstreams/${id}.yaml`, text.replace('rocky-9-x86_64-appstream', id) + more];
}

const OTHERS = Object.fromEntries([
  upstream('rocky-9-x86_64-crb'),
  upstream('rocky-9-x86_64-debug', 'alone: true\n'),
  upstream('rocky-8-x86_64-baseos'),
  upstream('alma-8-x86_64-baseos'),
  upstream('epel-8-x86_64-everything'),
  upstream('epel-9-x86_64-everything'),
  upstream('tools-el-noarch-all'),
]);

function withAlso(also: string, more = '') {
  const repositories =
    'repositories: [rocky-9-x86_64-baseos, rocky-9-x86_64-appstream, rocky-9-x86_64-debug, rocky-8-x86_64-baseos, alma-8-x86_64-baseos]';
  const text = TEAM.replace(/repositories: .*/, repositories).replace(ALSO, `${also}${more}`);
  return files({ ...OTHERS, [INFRA]: text });
}

/** For each entry of `also`: the manifest that it means, and whose clients have it. */
function meant(also: string): [string, readonly string[]][] {
  const policies = loadPolicies(withAlso(also));
  const team = policies.teams.get('infra');
  if (!team) throw new Error('no team');
  return team.also.map((entry) => {
    const repository = alsoRepository(entry, policies);
    if (!repository) throw new Error(`${entry.id} means nothing`);
    return [formatRepositoryId(repository), setsOfAlso(entry, repository, clientSetsOf(team, policies))];
  });
}

const complaints = (also: string, more = ''): string[] => collectComplaints(withAlso(also, more)).map(said);

describe('also', () => {
  it('means live of an upstream, or the manifest of another team', () => {
    expect(
      meant('also: [rocky-9-x86_64-crb, web-prod-rocky-9-x86_64-baseos, vendor-live-rocky-9-x86_64-crb]'),
    ).toEqual([
      ['vendor-live-rocky-9-x86_64-crb', ['rocky-9-x86_64']],
      ['web-prod-rocky-9-x86_64-baseos', ['rocky-9-x86_64']],
      ['vendor-live-rocky-9-x86_64-crb', ['rocky-9-x86_64']],
    ]);
  });
  it('counts for its own client set, else for those of its version and arch, else for those that it names', () => {
    const named =
      '{ repository: tools-el-noarch-all, for: [rocky-9-x86_64] }, { repository: epel-9-x86_64-everything, for: [alma-8-x86_64, rocky-9-x86_64] }';
    expect(meant(`also: [epel-8-x86_64-everything, ${named}]`)).toEqual([
      ['vendor-live-epel-8-x86_64-everything', ['rocky-8-x86_64', 'alma-8-x86_64']],
      ['vendor-live-tools-el-noarch-all', ['rocky-9-x86_64']],
      ['vendor-live-epel-9-x86_64-everything', ['rocky-9-x86_64', 'alma-8-x86_64']],
    ]);
  });
  it.each([
    [
      'also: [tools-el-noarch-all]',
      '5:8 also[0] names tools-el-noarch-all, which is for another version or arch than',
    ],
    [
      'also: [rocky-9-x86_64-baseos]',
      "5:8 also[0] names rocky-9-x86_64-baseos, which is the team's own already",
    ],
    ['also: [vendor-live-rocky-9-x86_64-baseos]', "which is the team's own already"],
    ['also: [infra-stable-rocky-9-x86_64-appstream]', "which is the team's own already"],
    [
      'also: [rocky-9-x86_64-crb, { repository: rocky-9-x86_64-crb, for: [rocky-8-x86_64] }]',
      'also[1] names rocky-9-x86_64-crb twice',
    ],
    [
      'also: [{ repository: rocky-9-x86_64-crb, for: [rocky-10-x86_64] }]',
      '5:48 also[0].for[0] must be one of the team\'s client sets, not "rocky-10-x86_64"',
    ],
    [
      'also: [{ repository: rocky-9-x86_64-crb, for: [] }]',
      'also[0].for must be a list of 1 to 100 client sets of the team',
    ],
    ['also: [{ repository: rocky-9-x86_64-crb }]', 'also[0] lacks the key "for"'],
    ['also: [rocky-9-x86_64-nothing]', 'also[0] names rocky-9-x86_64-nothing, which no policy declares'],
    ['also: [7]', "also[0] must be an upstream's id"],
  ])('refuses %s', (also, words) => {
    const found = complaints(also);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(words);
  });
});

describe('profiles', () => {
  it('are files of their folder, for all clients of the team or some', () => {
    const listed = 'also: []\nprofiles: [profiles/web.txt, { file: profiles/db.tsv, for: [rocky-8-x86_64] }]';
    expect(loadPolicies(withAlso(listed)).teams.get('infra')?.profiles).toEqual([
      { file: 'profiles/web.txt', at: `${INFRA}:6:12` },
      { file: 'profiles/db.tsv', for: ['rocky-8-x86_64'], at: `${INFRA}:6:30` },
    ]);
    expect(loadPolicies(files()).teams.get('infra')?.profiles).toEqual([]);
  });
  it.each([
    'web.txt',
    'profiles/../policies/site.yaml',
    'profiles/a/b',
    '/etc/passwd',
    'profiles/.x',
    'profiles/',
  ])('refuses %s', (path) => {
    const found = complaints('also: []', `\nprofiles: ["${path}"]`);
    expect(found).toEqual([
      `POLICY_INVALID ${INFRA}:6:12 profiles[0] must be a file such as profiles/web.txt, or a map of file and for, not "${path}"`,
    ]);
  });
  it('refuses one that is named twice, and a client set that is not there', () => {
    const twice = '\nprofiles: [profiles/a, { file: profiles/a, for: [fedora-9-x86_64] }]';
    expect(complaints('also: []', twice).map((text) => text.split(' ').slice(2).join(' '))).toEqual([
      'profiles[1] names profiles/a twice',
      'profiles[1].for[0] must be one of the team\'s client sets, not "fedora-9-x86_64"',
    ]);
  });
});
