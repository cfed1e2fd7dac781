import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { MIRROR_CHECK } from '../../src/flows/check-pulls.ts';
import { checkWorkTree, fixWorkTree } from '../../src/flows/check-tree.ts';
import { codeowners } from '../../src/flows/codeowners.ts';
import { initStateRepository } from '../../src/flows/init.ts';
import { loadPolicies } from '../../src/manifest/policy.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { makeSite } from './site.ts';

const ID = 'harbor-9-x86_64-base';
const FILE = '.github/CODEOWNERS';

const upstream = (id: string) => `apiVersion: sluice/v1
kind: Upstream
id: ${id}
baseurl: ["file:///srv/vendor"]
packages: { signatures: none, reason: a test }
metadata: { signatures: none, reason: a test }
`;
const team = (name: string, owners: string) => `apiVersion: sluice/v1
kind: Team
team: ${name}
${owners}repositories: [${ID}]
tiers:
  stable:
    from: live
`;
const site = (owners: string) => `apiVersion: sluice/v1\nkind: Site\n${owners}`;

function policies(o: { site: string; teams: Record<string, string>; lockstep?: string }) {
  return loadPolicies(
    new Map([
      ['policies/site.yaml', site(o.site)],
      [`policies/upstreams/${ID}.yaml`, upstream(ID)],
      ...Object.entries(o.teams).map(
        ([name, owners]) => [`policies/teams/${name}.yaml`, team(name, owners)] as const,
      ),
      ...(o.lockstep === undefined ? [] : [['policies/lockstep/driver.yaml', o.lockstep] as const]),
    ]),
  );
}

/** The owners of a path: of the lines that fit, the last. What these lines use of gitignore's patterns is read here anew. */
function ownersOf(text: string, path: string): string[] {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const fits = lines
    .map((line) => line.split(/\s+/))
    .filter(
      ([pattern = '']) =>
        pattern === '*' ||
        `/${path}` === pattern ||
        (pattern.endsWith('/') && `/${path}`.startsWith(pattern)),
    );
  return fits.at(-1)?.slice(1) ?? [];
}

it('each file has the owners of whose it is; what is everybody\u2019s is the site\u2019s', () => {
  const lockstep = `apiVersion: sluice/v1\nkind: Lockstep\nid: driver\npackages: [{ glob: "kmod-*" }]\nteams: [hpc, web]\nreason: one driver\nowner: "@acme/hpc"\n`;
  const text = codeowners(
    policies({
      site: 'owners: ["@acme/platform"]\n',
      teams: { hpc: 'owners: ["@acme/hpc", "@anna"]\n', web: 'owners: ["@acme/web"]\n', lab: '' },
      lockstep,
    }),
  );
  const asked: readonly (readonly [string, readonly string[]])[] = [
    ['snapshots/hpc/stable/harbor-9-x86_64-base.lock', ['@acme/hpc', '@anna']],
    ['policies/teams/hpc.yaml', ['@acme/hpc', '@anna']],
    ['snapshots/web/stable/harbor-9-x86_64-base.yaml', ['@acme/web']],
    ['policies/teams/lab.yaml', ['@acme/platform']],
    ['policies/lockstep/driver.yaml', ['@acme/hpc', '@acme/platform', '@acme/web', '@anna']],
    ...[
      'policies/site.yaml',
      `policies/upstreams/${ID}.yaml`,
      'policies/keys/a.asc',
      'policies/recalls/2026-1.yaml',
      'policies/errata.yaml',
      'errata/infra/2026-01-01.yaml',
      'snapshots/vendor/live/harbor-9-x86_64-base.lock',
      '.github/workflows/sluice-publish.yml',
      '.github/CODEOWNERS',
      'package-lock.json',
      'profiles/web.txt',
    ].map((path) => [path, ['@acme/platform']] as const),
  ];
  for (const [path, owners] of asked) expect([path, ownersOf(text ?? '', path)]).toEqual([path, owners]);
});

it('a site that names no owners keeps whatever file it has', () => {
  expect(codeowners(policies({ site: '', teams: { hpc: 'owners: ["@acme/hpc"]\n' } }))).toBeUndefined();
});

it.each(['acme', '@acme team', '@acme/hpc #', '@a\n* @evil', '@', '@acme/', 'a@example.org'])(
  'no owner: %j',
  (owner) => {
    const given = { site: `owners: [${JSON.stringify(owner)}]\n`, teams: { hpc: '' } };
    expect(() => policies(given)).toThrow(expect.objectContaining({ code: 'POLICY_INVALID' }));
  },
);

it('check says that it is not as the policies say, fix writes it, and a merge may not make it wrong', async () => {
  const given = await makeSite({ upstreams: { [ID]: { baseurl: ['file:///srv/vendor'] } } });
  const file = (path: string) => join(given.repoDir, path);
  const complaints = async () => {
    const printed: string[] = [];
    await checkWorkTree({ ...given.world(), json: true, print: (text) => printed.push(text) });
    const { complaints } = JSON.parse(printed.join(''));
    return complaints.map(({ code, at }: { code: string; at: string }) => `${code} ${at}`);
  };
  const policy = readFileSync(file('policies/site.yaml'), 'utf8');
  const owned = `${policy}owners: ["@acme/platform"]\n`;
  writeFileSync(file('policies/site.yaml'), owned);
  expect(await complaints()).toEqual([`POLICY_INVALID ${FILE}`]);
  await fixWorkTree(given.world());
  expect(await complaints()).toEqual([]);
  const written = readFileSync(file(FILE), 'utf8');
  writeFileSync(file('policies/site.yaml'), policy);
  writeFileSync(file(FILE), 'x');
  await given.change({ 'policies/site.yaml': owned, [FILE]: written });
  const others = { 'policies/site.yaml': owned.replace('platform', 'others') };
  await expect(given.change(others)).rejects.toMatchObject({ code: 'POLICY_INVALID', at: FILE });
  await expect(given.change({ [FILE]: '* @evil\n' })).rejects.toMatchObject({
    code: 'POLICY_INVALID',
    at: FILE,
  });
});

it('a repository for GitHub has its workflows, its owners and a ruleset from the first commit', async () => {
  const o = {
    dir: join(await tempDir(), 'state'),
    distros: ['rocky-9'],
    team: 'hpc',
    now: new Date('2026-03-01T08:00:00Z'),
    by: 'Anna',
    sluiceVersion: '0.1.0',
  };
  const { root, files } = await initStateRepository({ ...o, github: 'acme/rpm-state' });
  expect(files.filter((path) => path.startsWith('.github/')).sort()).toEqual([
    '.github/CODEOWNERS',
    '.github/actionlint.yaml',
    ...[
      'ask',
      'check',
      'commands',
      'dashboard',
      'holds',
      'hotfix',
      'mirror',
      'promote',
      'publish',
      'upstream',
    ].map((n) => `.github/workflows/sluice-${n}.yml`),
  ]);
  const owners = readFileSync(join(root, FILE), 'utf8');
  expect(ownersOf(owners, 'snapshots/hpc/stable/x.lock')).toEqual(['@acme/hpc']);
  const check = parse(readFileSync(join(root, '.github/workflows/sluice-check.yml'), 'utf8'));
  expect(check.jobs.required.name).toBe('sluice/plan');
  const rules = JSON.parse(readFileSync(join(root, 'docs/ruleset.json'), 'utf8')).rules;
  const parameters = Object.fromEntries(
    rules.map((rule: { type: string; parameters?: object }) => [rule.type, rule.parameters]),
  );
  expect(parameters).toMatchObject({
    pull_request: {
      require_code_owner_review: true,
      require_last_push_approval: true,
      required_approving_review_count: 1,
    },
    required_status_checks: {
      required_status_checks: [{ context: check.jobs.required.name }, { context: MIRROR_CHECK }],
    },
  });
  expect(Object.keys(parameters)).toEqual(expect.arrayContaining(['non_fast_forward', 'deletion']));
});

it.each(['acme', 'acme/', '/x', 'acme/x/y', 'a b/c', '../x', 'acme/x\nowners: y'])(
  'no repository on GitHub: %j',
  async (github) => {
    const dir = join(await tempDir(), 'state');
    const o = {
      dir,
      distros: ['rocky-9'],
      team: 'hpc',
      now: new Date(0),
      by: 'Anna',
      sluiceVersion: '0.1.0',
      github,
    };
    await expect(initStateRepository(o)).rejects.toMatchObject({ code: 'MALFORMED' });
  },
);
