import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createRepository, openRepository } from '../../src/forge/repository.ts';
import { git } from '../fixtures/gitHistory.ts';
import { draftOf, makeForge, NOW, PATH, pins } from '../fixtures/localForge.ts';
import { filesBelow, tempDir } from '../fixtures/tempDir.ts';

async function repository(
  files: Record<string, string> = { 'policies/site.yaml': 'grace: 72h\n', README: 'x\n' },
) {
  const dir = join(await tempDir(), 'state');
  return createRepository(dir, { files: new Map(Object.entries(files)), title: 'Begin', now: NOW });
}

describe('createRepository', () => {
  it('has one commit on main, at the given time, by the given person, and a clean work tree', async () => {
    const dir = join(await tempDir(), 'state');
    const files = new Map([['policies/a b.yaml', 'ä\n']]);
    const trailers = [['Sluice-Baseline', '2026-01-01']] as const;
    const options = { files, title: 'Begin', trailers, by: 'Anna <a@example.org>', now: NOW };
    const made = await createRepository(dir, options);
    expect(git(dir, 'log', '--format=%an|%ae|%cI|%P|%B')).toBe(
      'Anna|a@example.org|2026-03-10T09:00:00+00:00||Begin\n\nSluice-Baseline: 2026-01-01\n',
    );
    expect(git(dir, 'symbolic-ref', 'HEAD')).toBe('refs/heads/main');
    expect(git(dir, 'status', '--porcelain')).toBe('');
    expect(readFileSync(join(dir, 'policies/a b.yaml'), 'utf8')).toBe('ä\n');
    expect(made).toMatchObject({ root: dir, gitDir: join(dir, '.git'), bare: false });
    // the same again elsewhere is the same commit: nothing of the machine or the clock is in it
    const again = await createRepository(join(await tempDir(), 'b'), options);
    expect(await again.resolve('HEAD')).toBe(await made.resolve('main'));
  });

  it('writes over nothing', async () => {
    const dir = await tempDir();
    writeFileSync(join(dir, 'README'), 'mine\n');
    const options = { files: new Map([['README', 'ours\n']]), title: 'Begin', now: NOW };
    await expect(createRepository(dir, options)).rejects.toMatchObject({ code: 'USAGE' });
    expect(await filesBelow(dir)).toEqual(['README']);
    const made = await repository();
    await expect(createRepository(made.root, { ...options, files: new Map() })).rejects.toMatchObject({
      code: 'USAGE',
    });
  });
});

describe('reading', () => {
  it('gives the same from a commit and from the work tree: text and mode, links and submodules as such', async () => {
    const made = await repository({
      'policies/site.yaml': 'a: "ä"\n',
      'snapshots/a/b.yaml': 'b\n',
      'snapshots/a.yaml': 'c\n',
    });
    symlinkSync('/etc/passwd', join(made.root, 'snapshots/link.yaml'));
    symlinkSync('/etc', join(made.root, 'snapshots/folder'));
    writeFileSync(join(made.root, 'policies/run.yaml'), 'x\n');
    chmodSync(join(made.root, 'policies/run.yaml'), 0o755);
    git(join(made.root, 'policies'), 'init', '-q', 'sub');
    git(join(made.root, 'policies/sub'), 'commit', '-q', '--allow-empty', '-m', 'x');
    git(made.root, '-c', 'advice.addEmbeddedRepo=false', 'add', '-A');
    git(made.root, 'commit', '-qm', 'odd things');
    const committed = await made.readCommitted('HEAD');
    expect([...committed].map(([path, { text, mode }]) => [path, mode, text])).toEqual(
      [
        ['snapshots/a.yaml', '100644', 'c\n'],
        ['snapshots/a/b.yaml', '100644', 'b\n'],
        ['snapshots/folder', '120000', '/etc'],
        ['snapshots/link.yaml', '120000', '/etc/passwd'],
        ['policies/run.yaml', '100755', 'x\n'],
        ['policies/site.yaml', '100644', 'a: "ä"\n'],
        ['policies/sub', '160000', ''],
      ].sort(([a = ''], [b = '']) => (a < b ? -1 : 1)),
    );
    const tree = await made.readWorkTree(['policies', 'snapshots']);
    expect([...tree]).toEqual([...committed]);
    expect(await made.readCommitted(git(made.root, 'rev-parse', 'HEAD^{tree}'))).toEqual(committed);
    expect((await made.readCommitted('HEAD~1')).size).toBe(3);
    expect((await made.readCommitted('HEAD', ['snapshots/a'])).size).toBe(1);
  });

  it('names a file or a file name that is not UTF-8', async () => {
    const made = await repository();
    writeFileSync(join(made.root, 'policies/latin.yaml'), Buffer.from('caf\xe9', 'latin1'));
    await expect(made.readWorkTree()).rejects.toMatchObject({
      code: 'MANIFEST_INVALID',
      at: 'policies/latin.yaml',
    });
    git(made.root, 'add', '-A');
    git(made.root, 'commit', '-qm', 'x');
    await expect(made.readCommitted('HEAD')).rejects.toMatchObject({
      code: 'MANIFEST_INVALID',
      at: 'policies/latin.yaml',
    });
    const other = await repository();
    writeFileSync(Buffer.concat([Buffer.from(`${other.root}/policies/`), Buffer.from([0xe9])]), 'x');
    await expect(other.readWorkTree()).rejects.toMatchObject({ code: 'UNSAFE_PATH' });
    git(other.root, 'add', '-A');
    git(other.root, 'commit', '-qm', 'x');
    await expect(other.readCommitted('HEAD')).rejects.toMatchObject({ code: 'UNSAFE_PATH' });
  });

  it('refuses what is neither a file nor a folder', async () => {
    const made = await repository();
    execFileSync('mkfifo', [join(made.root, 'policies/pipe')]);
    await expect(made.readWorkTree()).rejects.toMatchObject({
      code: 'MANIFEST_INVALID',
      at: 'policies/pipe',
    });
  });
});

describe('writing', () => {
  it('makes folders, replaces, deletes, and lists what is uncommitted', async () => {
    const made = await repository();
    await made.write(
      new Map([
        ['snapshots/infra/stable/a.yaml', 'new\n'],
        ['policies/site.yaml', null],
        ['policies/none.yaml', null],
        ['README', 'outside of both folders\n'],
      ]),
    );
    expect((await made.uncommitted()).sort()).toEqual([
      'policies/site.yaml',
      'snapshots/infra/stable/a.yaml',
    ]);
    expect(await made.uncommitted(['README'])).toEqual(['README']);
    expect([...(await made.readWorkTree()).keys()]).toEqual(['snapshots/infra/stable/a.yaml']);
    expect(await filesBelow(join(made.root, 'snapshots'))).toEqual(['infra/stable/a.yaml']); // no temporary left
  });

  it('sweeps what a killed process was writing, and nothing that is young or not its own', async () => {
    const made = await repository();
    const left = (name: string, seconds: number) => {
      const path = join(made.root, 'policies', name);
      writeFileSync(path, 'half a t');
      const time = Date.now() / 1000 - seconds;
      utimesSync(path, time, time);
    };
    left('site.yaml.6cbb3ed6-c6dd-4ee8-98fd-51b66a07d5e8.tmp', 60);
    left('site.yaml.83f17b52-5de0-4f08-9a33-3c2e51ab9d6a.tmp', 1);
    left('notes.tmp', 60);
    await made.write(new Map([['policies/site.yaml', 'grace: 80h\n']]));
    expect((await filesBelow(join(made.root, 'policies'))).sort()).toEqual([
      'notes.tmp',
      'site.yaml',
      'site.yaml.83f17b52-5de0-4f08-9a33-3c2e51ab9d6a.tmp',
    ]);
  });

  it.each([
    '../x',
    '/etc/x',
    'a/../../x',
    'a//b',
    '',
    '.',
    'a/.',
    '.git/hooks/x',
    'a/.GIT/config',
    'a\\b',
    'a\nb',
    'a\0b',
    'C:x',
    'a/x ',
    'a/x.',
    `${'x'.repeat(300)}`,
    'link/x',
    'deep/link/x',
    'file/x',
    'folder',
    'link',
    '\ud800',
  ])('refuses the path %j, and writes nothing at all', async (path) => {
    const made = await repository();
    const outside = await tempDir();
    symlinkSync(outside, join(made.root, 'link'));
    mkdirSync(join(made.root, 'deep'));
    symlinkSync(outside, join(made.root, 'deep/link'));
    writeFileSync(join(made.root, 'file'), 'x');
    mkdirSync(join(made.root, 'folder'));
    const before = await filesBelow(made.root);
    await expect(made.write(new Map([[path, 'x']]))).rejects.toMatchObject({ code: 'UNSAFE_PATH' });
    expect(await filesBelow(made.root)).toEqual(before);
    expect(await filesBelow(outside)).toEqual([]);
  });

  it('is not for a bare repository', async () => {
    const { dir } = await makeForge();
    const bare = await openRepository(dir);
    expect(bare.bare).toBe(true);
    expect((await bare.readCommitted('main')).size).toBe(2);
    await expect(bare.write(new Map([['a', 'b']]))).rejects.toMatchObject({ code: 'USAGE' });
    await expect(bare.readWorkTree()).rejects.toMatchObject({ code: 'USAGE' });
  });
});

describe('update', () => {
  async function merged() {
    const { forge, clone, dir } = await makeForge();
    await forge.propose(await draftOf(forge), { now: NOW });
    const to = await forge.merge(1, { by: 'Anna', now: NOW });
    return { clone, to, dir };
  }

  it('moves a clean clone forward to origin’s main', async () => {
    const { clone, to, dir } = await merged();
    expect(await clone.origin()).toBe(dir);
    const from = await clone.resolve('HEAD');
    expect(await clone.update()).toEqual({ kind: 'updated', from, to });
    expect(readFileSync(join(clone.root, PATH), 'utf8')).toBe(pins({ 0: '1-2' }));
    expect(git(clone.root, 'status', '--porcelain')).toBe('');
    expect(await clone.update()).toEqual({ kind: 'current' });
  });

  it('touches nothing where a file is changed, or an unknown one is in the way', async () => {
    const { clone } = await merged();
    const before = await clone.resolve('HEAD');
    writeFileSync(join(clone.root, 'README'), 'being edited\n');
    expect(await clone.update()).toEqual({ kind: 'dirty' });
    expect(await clone.resolve('HEAD')).toBe(before);
    expect(readFileSync(join(clone.root, 'README'), 'utf8')).toBe('being edited\n');
  });

  it.each([
    ['one file replaced', 'one'],
    ['one file taken away', 'gone'],
    ['every file replaced and added to the index', 'all'],
  ])('finishes a move that was cut off with %s', async (_what, how) => {
    const { clone, to } = await merged();
    git(clone.root, 'fetch', '-q', 'origin');
    if (how === 'gone') rmSync(join(clone.root, PATH));
    else writeFileSync(join(clone.root, PATH), pins({ 0: '1-2' }));
    if (how === 'all') git(clone.root, 'add', PATH);
    expect(await clone.update()).toMatchObject({ kind: 'updated', to });
    expect(git(clone.root, 'status', '--porcelain')).toBe('');
    expect(await clone.resolve('HEAD')).toBe(to);
  });

  it('is no such move when somebody edited one of its files, or another one', async () => {
    const { clone } = await merged();
    writeFileSync(join(clone.root, PATH), pins({ 0: '1-3' }));
    expect(await clone.update()).toEqual({ kind: 'dirty' });
    writeFileSync(join(clone.root, PATH), pins({ 0: '1-2' }));
    writeFileSync(join(clone.root, 'README'), 'being edited');
    expect(await clone.update()).toEqual({ kind: 'dirty' });
    expect(readFileSync(join(clone.root, 'README'), 'utf8')).toBe('being edited');
  });

  it('is no such move when something else is in the way of a file that it would bring', async () => {
    const { clone } = await merged();
    rmSync(join(clone.root, PATH));
    mkdirSync(join(clone.root, PATH));
    writeFileSync(join(clone.root, PATH, 'mine'), 'kept');
    expect(await clone.update()).toEqual({ kind: 'dirty' });
    rmSync(join(clone.root, PATH), { recursive: true });
    rmSync(dirname(join(clone.root, PATH)), { recursive: true });
    writeFileSync(dirname(join(clone.root, PATH)), 'a file where a folder was');
    expect(await clone.update()).toEqual({ kind: 'dirty' });
    expect(readFileSync(dirname(join(clone.root, PATH)), 'utf8')).toBe('a file where a folder was');
  });

  it('says so on another branch, with commits of its own, and without an origin', async () => {
    const { clone } = await merged();
    git(clone.root, 'checkout', '-q', '-b', 'mine');
    expect(await clone.update()).toEqual({ kind: 'other-branch' });
    git(clone.root, 'checkout', '-q', 'main');
    git(clone.root, 'commit', '-q', '--allow-empty', '-m', 'mine');
    expect(await clone.update()).toEqual({ kind: 'diverged' });
    expect(await (await repository()).update()).toEqual({ kind: 'no-origin' });
  });

  it('never runs a program that an origin or a setting of the clone names', async () => {
    const { clone, dir } = await merged();
    const mark = join(await tempDir(), 'ran');
    const program = join(await tempDir(), 'program');
    writeFileSync(program, `#!/bin/sh\ntouch ${mark}\n`, { mode: 0o755 });
    for (const hook of [
      'post-merge',
      'reference-transaction',
      'post-checkout',
      'pre-commit',
      'post-index-change',
    ]) {
      for (const hooks of [join(clone.gitDir, 'hooks'), join(dir, 'hooks')]) {
        mkdirSync(hooks, { recursive: true });
        writeFileSync(join(hooks, hook), readFileSync(program), { mode: 0o755 });
      }
    }
    git(clone.root, 'config', 'core.fsmonitor', program);
    expect(await clone.update()).toMatchObject({ kind: 'updated' });
    await clone.uncommitted();
    git(clone.root, 'remote', 'set-url', 'origin', `ext::${program}`);
    git(clone.root, 'config', 'protocol.ext.allow', 'always');
    const next = await openRepository(clone.root); // as the next command opens it
    await expect(next.update()).rejects.toMatchObject({ code: 'GIT' });
    expect(await filesBelow(join(mark, '..'))).toEqual([]);
  });
});

it('opens from a folder inside, and says where there is no repository', async () => {
  const made = await repository();
  expect((await openRepository(join(made.root, 'policies'))).root).toBe(made.root);
  await expect(openRepository(await tempDir())).rejects.toMatchObject({ code: 'NOT_FOUND' });
});
