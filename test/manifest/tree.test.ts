import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkTree, type TreeEntry } from '../../src/manifest/tree.ts';
import { LIVE_PATH, STABLE_PATH } from './samples.ts';

const blob = (path: string, mode = '100644'): TreeEntry => ({ path, mode, type: 'blob' });
const told = (...entries: TreeEntry[]) => checkTree(entries).map((f) => `${f.code} ${f.at}: ${f.message}`);

const GOOD = [
  blob(LIVE_PATH),
  blob(LIVE_PATH.replace('.yaml', '.lock')),
  blob(STABLE_PATH),
  blob('policies/site.yaml'),
  blob('policies/teams/infra.yaml'),
  blob('policies/upstreams/rocky-9-x86_64-appstream.yaml'),
  blob('policies/keys/RPM-GPG-KEY-Rocky-9'),
  blob('policies/README.md'),
  blob('profiles/web.txt'),
  blob('profiles/README.md'),
  blob('snapshots/.gitkeep'),
  blob('scripts/run', '100755'),
  blob('docs/a link', '120000'),
  { path: 'snapshots', mode: '040000', type: 'tree' } as const,
];

describe('the tree of a state repository', () => {
  it('may have what it needs, and anything elsewhere', () => {
    expect(told(...GOOD)).toEqual([]);
  });

  it.each([
    ['a symbolic link for a snapshot', blob(STABLE_PATH, '120000'), 'is a symbolic link'],
    ['a symbolic link for a policy', blob('policies/teams/infra.yaml', '120000'), 'is a symbolic link'],
    ['a symbolic link for a folder', blob('snapshots/infra', '120000'), 'is a symbolic link'],
    ['a symbolic link for all snapshots', blob('snapshots', '120000'), 'is a symbolic link'],
    ['a submodule', { path: 'policies/teams', mode: '160000', type: 'commit' } as const, 'is a submodule'],
    ['a gitlink that says it is a blob', blob('policies/teams', '160000'), 'is a submodule'],
    ['an exec bit', blob(STABLE_PATH, '100755'), 'has the mode "100755", not 100644'],
    ['an old group-writable mode', blob(STABLE_PATH, '100664'), 'has the mode "100664", not 100644'],
    ['a script', blob('snapshots/infra/run.sh'), 'is not the place of a snapshot'],
    [
      'a snapshot too deep',
      blob('snapshots/infra/stable/x/rocky-9-x86_64-appstream.yaml'),
      'is not the place of a snapshot',
    ],
    [
      'a snapshot by another ending',
      blob('snapshots/infra/stable/rocky-9-x86_64-appstream.yml'),
      'is not the place of a snapshot',
    ],
    ['a policy in a wrong folder', blob('policies/team/infra.yaml'), 'is not the place of a policy'],
    ['a profile too deep', blob('profiles/web/1.txt'), 'is not the place of a profile'],
    ['a link for a profile', blob('profiles/web.txt', '120000'), 'is a symbolic link'],
    ['a .git folder', blob('snapshots/.git/config'), 'leads into a .git folder'],
    ['a .git folder elsewhere', blob('docs/.git/hooks/post-checkout'), 'leads into a .git folder'],
    ['a .GIT folder', blob('docs/.GiT/config'), 'leads into a .git folder'],
    ['a .git folder of NTFS', blob('docs/git~1/config'), 'leads into a .git folder'],
    ['a .git folder with a dot', blob('docs/.git./config'), 'leads into a .git folder'],
    ['a .git folder of HFS+', blob('docs/.g\u200cit/config'), 'leads into a .git folder'],
    ['a .git stream of NTFS', blob('docs/.git::$INDEX_ALLOCATION/config'), 'leads into a .git folder'],
    ['a path that climbs', blob('snapshots/../policies/site.yaml'), 'is not a plain path'],
    ['an empty part', blob('snapshots//x.yaml'), 'is not a plain path'],
    [
      'other letters',
      blob('Snapshots/infra/stable/rocky-9-x86_64-appstream.yaml'),
      'looks like a folder that Sluice reads',
    ],
    [
      'bytes that are not UTF-8',
      blob(`policies/keys/${Buffer.from([0xff]).toString('utf8')}`),
      'has characters that a name here may not have',
    ],
    ['a line break', blob('policies/keys/a\nb'), 'has characters that a name here may not have'],
    ['an option', blob('policies/keys/--upload-pack=x'), 'has characters that a name here may not have'],
    ['a space at the end', blob('policies/keys/a '), 'has characters that a name here may not have'],
    [
      'a right-to-left override',
      blob('policies/keys/a\u202eb'),
      'has characters that a name here may not have',
    ],
    ['a hidden file', blob('policies/keys/.netrc'), 'has characters that a name here may not have'],
    [
      'a name of 300 characters',
      blob(`policies/keys/${'k'.repeat(300)}`),
      'has characters that a name here may not have',
    ],
  ])('%s', (_what, entry, message) => {
    const [first, ...others] = told(...GOOD, entry).filter((line) => !line.includes('differs only in case'));
    expect(others).toEqual([]);
    expect(first).toMatch(/^UNSAFE_PATH /);
    expect(first).toContain(message);
  });

  it.each([
    ['files', blob('policies/keys/KEY'), blob('policies/keys/key'), 'policies/keys/key'],
    ['folders', blob('docs/A/x'), blob('docs/a/y'), 'docs/a/y'],
    ['a file and a folder', blob('docs/x/y'), blob('docs/X'), 'docs/x/y'],
    ['composed and decomposed letters', blob('docs/\u00e9'), blob('docs/e\u0301'), 'docs/\u00e9'],
    ['full width', blob('docs/\uff41'), blob('docs/a'), 'docs/\uff41'],
  ])('twins by case: %s', (_what, one, other, second) => {
    expect(checkTree([one, other])).toMatchObject([{ code: 'UNSAFE_PATH', at: second }]);
    expect(checkTree([other, one])).toMatchObject([{ code: 'UNSAFE_PATH', at: second }]);
  });

  it('of a real commit, as git lists it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-tree-'));
    try {
      const git = (...args: string[]) => execFileSync('git', ['-C', folder, ...args], { encoding: 'utf8' });
      const put = (path: string) => {
        mkdirSync(dirname(join(folder, path)), { recursive: true });
        writeFileSync(join(folder, path), 'x');
      };
      git('init', '-q');
      for (const path of [STABLE_PATH, 'policies/site.yaml', 'policies/teams/infra.yaml']) put(path);
      symlinkSync(
        '/etc/shadow',
        join(folder, LIVE_PATH.replace('vendor/live', 'infra/stable').replace('appstream', 'crb')),
      );
      chmodSync(join(folder, 'policies/site.yaml'), 0o755);
      git('add', '-A');
      git('update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},policies/teams/sub`);
      const tree = git('write-tree').trim();
      const entries = git('ls-tree', '-rz', tree)
        .split('\0')
        .filter(Boolean)
        .map((line): TreeEntry => {
          const [head = '', path = ''] = line.split('\t');
          const [mode = '', type = ''] = head.split(' ');
          return { path, mode, type: type as TreeEntry['type'] };
        });
      expect(checkTree(entries).map((f) => f.message)).toEqual([
        '"policies/site.yaml" has the mode "100755", not 100644',
        '"policies/teams/sub" is a submodule',
        '"snapshots/infra/stable/rocky-9-x86_64-crb.yaml" is a symbolic link',
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
