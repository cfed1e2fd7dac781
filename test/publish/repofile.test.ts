import { describe, expect, it } from 'vitest';
import { loadPolicies } from '../../src/manifest/policy.ts';
import { repofile } from '../../src/publish/repofile.ts';
import { LIVE, STABLE, siteFile, UNSTABLE, upstreamFile } from './world.ts';

const apps = { ...STABLE, repo: 'apps' };
const texts = {
  ...siteFile(),
  ...upstreamFile(),
  ...upstreamFile('content: thin\n', { ...LIVE, repo: 'apps' }),
};
const policies = loadPolicies(new Map(Object.entries(texts)));
const all = { policies, repositories: [STABLE, apps, UNSTABLE, LIVE] };

describe('the .repo file', () => {
  it('has one section a repository, which follows the line of its current tree', () => {
    expect(repofile({ ...all, team: 'infra', tier: 'unstable' })).toBe(`[infra-unstable-harbor-9-x86_64-base]
# packages are not checked by signature: a test
name=infra unstable: harbor 9 x86_64 base
mirrorlist=https://mirror.example/public/infra-unstable-harbor-9-x86_64-base/mirrorlist
enabled=1
gpgcheck=0
metadata_expire=900
`);
  });

  it('says what a thin repository is, in order of ids', () => {
    const text = repofile({ ...all, team: 'infra', tier: 'stable' });
    expect([...text.matchAll(/^\[(.*)\]$/gm)].map(([, id]) => id)).toEqual([
      'infra-stable-harbor-9-x86_64-apps',
      'infra-stable-harbor-9-x86_64-base',
    ]);
    expect(text).toMatch(/# thin: packages come from https:\/\/upstream\.example/);
  });

  it('stays on a commit where it is told to', () => {
    const at = 'a'.repeat(40);
    const text = repofile({ ...all, team: 'infra', tier: 'unstable', at });
    expect(text).toContain(
      `baseurl=https://mirror.example/public/at/${at}/infra-unstable-harbor-9-x86_64-base/\n`,
    );
    expect(text).not.toContain('mirrorlist');
  });

  it.each([
    ['a tier that has nothing', { tier: 'nowhere' }, 'NOT_FOUND'],
    [
      'no URL to write',
      { policies: { ...policies, site: { ...policies.site, mirrorUrl: undefined } } },
      'POLICY_INVALID',
    ],
    ['no policy', { policies: { ...policies, upstreams: new Map() } }, 'NOT_FOUND'],
  ])('is refused for %s', (_, change, code) => {
    const o = { ...all, team: 'infra', tier: 'stable', ...change } as Parameters<typeof repofile>[0];
    expect(() => repofile(o)).toThrow(expect.objectContaining({ code }));
  });

  it('keeps a reason within its comment', () => {
    const upstreams = new Map(policies.upstreams);
    const [id, policy] = [...upstreams][0] ?? [];
    if (!id || !policy) throw new Error('no policy');
    const evil = {
      ...policy,
      packages: { signatures: 'none', reason: 'x\n[evil]\nbaseurl=http://evil', allow: [] },
    } as const;
    for (const key of upstreams.keys()) upstreams.set(key, evil);
    const text = repofile({ ...all, policies: { ...policies, upstreams }, team: 'infra', tier: 'unstable' });
    expect(text).not.toMatch(/^(\[evil\]|baseurl)/m);
  });
});
