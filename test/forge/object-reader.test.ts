import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openGit } from '../../src/forge/git.ts';
import { listTree } from '../../src/forge/list-tree.ts';
import { findObject, readObject } from '../../src/forge/object-reader.ts';
import { readBlobs } from '../../src/forge/objects.ts';
import { readRefs } from '../../src/forge/refs.ts';
import { git } from '../fixtures/gitHistory.ts';
import { tempDir } from '../fixtures/tempDir.ts';

const SOURCE = (name: string) => new URL(`../../src/forge/${name}.ts`, import.meta.url).href;

/** A repository with every kind of entry. */
async function repository(format = 'sha1') {
  const dir = await tempDir();
  git(dir, 'init', '-q', '-b', 'main', `--object-format=${format}`);
  const hash = (text: string) =>
    execFileSync('git', ['-C', dir, 'hash-object', '-w', '--stdin'], {
      input: text,
      encoding: 'utf8',
    }).trim();
  const commit = (entries: readonly string[]) => {
    git(dir, 'read-tree', '--empty');
    const input = entries.map((entry) => `${entry}\0`).join('');
    execFileSync('git', ['-C', dir, 'update-index', '-z', '--index-info'], { input });
    git(dir, 'commit', '-qm', 'x', '--allow-empty');
    return git(dir, 'rev-parse', 'HEAD');
  };
  return { dir, hash, commit };
}

it.each(['sha1', 'sha256'])('lists what ls-tree lists, of every kind, in its order (%s)', async (format) => {
  const { dir, hash, commit } = await repository(format);
  const [a, b] = [hash('a'), hash('b')];
  const id = commit([
    `100644 ${a}\ta`,
    `100755 ${b}\tab c/x`,
    `100644 ${a}\ta-b`,
    `100644 ${b}\ta.d/é`,
    `120000 ${a}\ta.d/link`,
    `160000 ${hash('c')}\ta.d/module`,
    `100644 ${b}\tz/y/x/w`,
    `100644 ${a}\tz/y.yaml`,
    `100644 ${a}\tz\nz/line`,
  ]);
  for (const paths of [
    [''],
    ['a'],
    ['a.d'],
    ['z/y'],
    ['z/y.yaml', 'a', 'none/of/it'],
    ['z', 'z/y'],
    ['a.'],
    [],
  ]) {
    const listed = await listTree(openGit(dir), id, paths);
    const said =
      paths.length === 0 ? '' : git(dir, 'ls-tree', '-rz', id, ...paths.filter((path) => path !== ''));
    const lines = [...listed].map(
      ([path, { mode, id }]) => `${mode} ${mode === '160000' ? 'commit' : 'blob'} ${id}\t${path}\0`,
    );
    expect(lines.join('')).toBe(said);
  }
});

it('reads few blobs and many, in the order asked, also twice the same', async () => {
  const { dir, hash } = await repository();
  const texts = Array.from({ length: 40 }, (_, i) => (i === 7 ? '' : `${'x\n'.repeat(i * 997)}${i}`));
  const ids = texts.map(hash);
  for (const wanted of [ids.slice(0, 9), ids, [ids[3], ids[3], ids[2]]]) {
    const read = await Array.fromAsync(readBlobs(openGit(dir), wanted as string[]));
    expect(read.map(({ id }) => id)).toEqual(wanted);
    expect(read.map(({ bytes }) => bytes.toString())).toEqual(
      wanted.map((id) => texts[ids.indexOf(id ?? '')]),
    );
  }
});

it('sees what others write after it was started, and another repository of the same name', async () => {
  const { dir, hash, commit } = await repository();
  const reader = openGit(dir);
  commit([`100644 ${hash('1')}\tone`]);
  expect(await findObject(reader, 'main')).toMatchObject({
    id: git(dir, 'rev-parse', 'main'),
    type: 'commit',
  });
  const second = commit([`100644 ${hash('2')}\ttwo`]);
  git(dir, 'repack', '-qad');
  expect(await findObject(reader, 'main')).toMatchObject({ id: second });
  expect((await readObject(reader, 'main:two'))?.bytes.toString()).toBe('2');
  renameSync(dir, `${dir}.old`);
  mkdirSync(dir);
  git(dir, 'init', '-q', '-b', 'main');
  expect(await findObject(reader, 'main')).toBeUndefined();
  expect(await findObject(reader, second)).toBeUndefined();
  renameSync(`${dir}.old`, join(dir, 'old'));
});

it('answers each of many questions at once, those without an answer too', async () => {
  const { dir, hash } = await repository();
  const ids = ['a', 'b', 'c'].map(hash);
  const names = [...ids, 'nothing', 'a b', 'a\nb', '', '0'.repeat(40), ...ids];
  const found = await Promise.all(names.map((name) => readObject(openGit(dir), name)));
  const texts = found.map((object) => object?.bytes.toString());
  expect(texts).toEqual(['a', 'b', 'c', ...Array(5), 'a', 'b', 'c']);
});

it('never takes a branch that is named like a ref, or a description, for the ref', async () => {
  const { dir, commit } = await repository();
  const id = commit([]);
  git(dir, 'update-ref', 'refs/heads/refs/heads/missing', id);
  const described = `refs/heads/x-1-g${id.slice(0, 10)}`;
  expect(await readRefs(openGit(dir), ['refs/heads/missing', described])).toEqual(new Map());
  git(dir, 'update-ref', 'refs/heads/loose', id);
  mkdirSync(join(dir, 'refs/heads'), { recursive: true });
  writeFileSync(join(dir, 'refs/heads/file'), `${id}\n`); // in the work tree
  expect(await readRefs(openGit(dir), ['refs/heads/file'])).toEqual(new Map());
  const both = new Map(['refs/heads/loose', 'refs/heads/main'].map((ref) => [ref, id]));
  expect(await readRefs(openGit(dir), [...both.keys()])).toEqual(both);
  git(dir, 'pack-refs', '--all');
  expect(await readRefs(openGit(dir), [...both.keys()])).toEqual(both);
});

it('says what is wrong: no repository, and an object that is damaged', async () => {
  await expect(readObject(openGit(await tempDir()), 'main')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const { dir, hash } = await repository();
  const id = hash('whole');
  const file = join(dir, '.git/objects', id.slice(0, 2), id.slice(2));
  execFileSync('chmod', ['u+w', file]);
  writeFileSync(file, 'damaged');
  await expect(Array.fromAsync(readBlobs(openGit(dir), [id]))).rejects.toMatchObject({
    code: 'GIT',
    at: dir,
  });
  const other = hash('other');
  expect((await readObject(openGit(dir), other))?.bytes.toString()).toBe('other');
});

it('keeps nobody from ending, and ends with it', async () => {
  const { dir, hash } = await repository();
  const script = `
    import { openGit } from ${JSON.stringify(SOURCE('git'))};
    import { readObject } from ${JSON.stringify(SOURCE('object-reader'))};
    const git = openGit(${JSON.stringify(dir)});
    console.log((await readObject(git, '${hash('a')}')).bytes.toString());`;
  const args = ['--input-type=module-typescript', '-e', script];
  expect(execFileSync(process.execPath, args, { encoding: 'utf8', timeout: 30_000 })).toBe('a\n');
  await expect
    .poll(() => execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }), { timeout: 10_000 })
    .not.toContain(`-C ${dir} `);
});
