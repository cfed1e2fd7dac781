import { createHash } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { startGit } from '../../src/forge/start.ts';

export interface CommitFacts {
  readonly sha: string;
  readonly tree: string;
  readonly parents: readonly string[];
  readonly author: Signature;
  readonly committer: Signature;
  readonly message: string;
}
export interface Signature {
  readonly name: string;
  readonly email: string;
  readonly date: string;
}
export interface FileChange {
  readonly filename: string;
  readonly sha: string;
  readonly status: 'added' | 'removed' | 'modified';
  readonly additions: number;
  readonly deletions: number;
}
export interface TreeItem {
  readonly mode: string;
  readonly type: string;
  readonly sha: string;
  readonly size?: number;
  readonly path: string;
}

/** A command that git refused. */
export class GitError extends Error {}

const NO_CONFIG = { GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' };

/** Plumbing of a bare repository. */
export class BareGit {
  readonly dir: string;

  constructor(dir: string) {
    this.dir = dir;
  }

  async run(
    args: readonly string[],
    o: { input?: string | Buffer; env?: Readonly<Record<string, string>> } = {},
  ): Promise<string> {
    return (await this.#bytes(args, o)).toString('utf8');
  }

  /** From the small process that starts git for the product too: a test's own is large, and forks slowly. */
  async #bytes(args: readonly string[], o: { input?: string | Buffer; env?: object } = {}): Promise<Buffer> {
    const given = Object.entries({ ...process.env, ...NO_CONFIG, ...o.env });
    const env = Object.fromEntries(given.filter(([, value]) => value !== undefined));
    const git = startGit({ args: ['--git-dir', this.dir, ...args], env, stdin: o.input ?? '' });
    const out: Buffer[] = [];
    for await (const chunk of git.output()) out.push(chunk);
    const { status, stderr } = await git.ended;
    if (status !== 0) throw new GitError(`git ${args.join(' ')}: ${stderr}`);
    return Buffer.concat(out);
  }

  async try(args: readonly string[]): Promise<string | undefined> {
    return this.run(args).then(
      (out) => out.trimEnd(),
      (error: unknown) => {
        if (error instanceof GitError) return undefined;
        throw error;
      },
    );
  }

  async bytes(blob: string): Promise<Buffer | undefined> {
    if ((await this.try(['cat-file', '-t', blob])) !== 'blob') return undefined;
    return this.#bytes(['cat-file', 'blob', blob]);
  }

  /** The object that a name stands for, if it is of that type. */
  async resolve(name: string, type: 'commit' | 'tree' | 'object' = 'commit'): Promise<string | undefined> {
    if (name.startsWith('-')) return undefined;
    const found = await this.try([
      'rev-parse',
      '--verify',
      '--quiet',
      '--end-of-options',
      `${name}^{${type}}`,
    ]);
    return found === '' ? undefined : found;
  }

  ref(ref: string): Promise<string | undefined> {
    return this.try(['rev-parse', '--verify', '--quiet', '--end-of-options', ref]);
  }

  async refs(prefix: string): Promise<{ ref: string; sha: string; type: string }[]> {
    const out = await this.run(['for-each-ref', '--format=%(refname) %(objectname) %(objecttype)']);
    return out
      .split('\n')
      .map((line) => line.split(' '))
      .filter(([ref = '']) => ref.startsWith(prefix) && ref !== '')
      .map(([ref = '', sha = '', type = '']) => ({ ref, sha, type }));
  }

  /** Compare and swap; `to` undefined deletes. False: it was another one, or git takes no such name. */
  async setRef(ref: string, to: string | undefined, from?: string): Promise<boolean> {
    const old = from ?? '0'.repeat(40);
    const args = to ? ['update-ref', ref, to, old] : ['update-ref', '-d', ref, old];
    return (await this.try(args)) !== undefined;
  }

  async isAncestor(a: string, b: string): Promise<boolean> {
    return (await this.try(['merge-base', '--is-ancestor', a, b])) !== undefined;
  }

  mergeBase(a: string, b: string): Promise<string | undefined> {
    return this.try(['merge-base', a, b]);
  }

  /** The newest first, `to` without what `from` has. */
  async log(to: string, from?: string, most = 250): Promise<CommitFacts[]> {
    const range = from === undefined ? [to] : [to, `^${from}`];
    const format = '%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B%x00%x01';
    const out = await this.run(['log', `--max-count=${most}`, `--format=${format}`, ...range, '--']);
    return out
      .split('\0\u0001')
      .slice(0, -1)
      .map((entry) => {
        const [sha = '', tree = '', parents = '', ...rest] = entry.trimStart().split('\0');
        const [an = '', ae = '', at = '', cn = '', ce = '', ct = '', message = ''] = rest;
        return {
          sha,
          tree,
          parents: parents.split(' ').filter((p) => p !== ''),
          author: { name: an, email: ae, date: new Date(at).toISOString() },
          committer: { name: cn, email: ce, date: new Date(ct).toISOString() },
          message: message.replace(/\n$/, ''),
        };
      });
  }

  async commit(sha: string): Promise<CommitFacts> {
    const [found] = await this.log(sha, undefined, 1);
    if (!found) throw new GitError(`no commit ${sha}`);
    return found;
  }

  async writeCommit(of: Omit<CommitFacts, 'sha'>): Promise<string> {
    const env = {
      GIT_AUTHOR_NAME: of.author.name,
      GIT_AUTHOR_EMAIL: of.author.email,
      GIT_AUTHOR_DATE: of.author.date,
      GIT_COMMITTER_NAME: of.committer.name,
      GIT_COMMITTER_EMAIL: of.committer.email,
      GIT_COMMITTER_DATE: of.committer.date,
    };
    const parents = of.parents.flatMap((parent) => ['-p', parent]);
    return (await this.run(['commit-tree', of.tree, ...parents], { env, input: of.message })).trimEnd();
  }

  /** A loose object written directly: one process for each of 300 files takes most of a second. */
  writeBlob(bytes: Buffer): string {
    const whole = Buffer.concat([Buffer.from(`blob ${bytes.length}\0`), bytes]);
    const sha = createHash('sha1').update(whole).digest('hex');
    const folder = join(this.dir, 'objects', sha.slice(0, 2));
    mkdirSync(folder, { recursive: true });
    const temporary = join(folder, `tmp_obj_${sha.slice(2)}`);
    writeFileSync(temporary, deflateSync(whole));
    renameSync(temporary, join(folder, sha.slice(2)));
    return sha;
  }

  async writeTree(base: string | undefined, changes: readonly Omit<TreeItem, 'size'>[]): Promise<string> {
    const index = join(this.dir, `testforge-index-${process.hrtime.bigint()}`);
    const env = { GIT_INDEX_FILE: index };
    try {
      await this.run(base === undefined ? ['read-tree', '--empty'] : ['read-tree', base], { env });
      const input = changes.map(({ mode, sha, path }) => `${mode} ${sha}\t${path}\0`).join('');
      await this.run(['update-index', '-z', '--index-info'], { env, input });
      return (await this.run(['write-tree'], { env })).trimEnd();
    } finally {
      rmSync(index, { force: true });
    }
  }

  async listTree(tree: string, recursive: boolean, path?: string): Promise<TreeItem[]> {
    const r = recursive ? ['-r', '-t'] : [];
    const out = await this.run(['ls-tree', '-z', '-l', ...r, tree, ...(path ? ['--', path] : [])]);
    return out
      .split('\0')
      .filter((line) => line !== '')
      .map((line) => {
        const [facts = '', name = ''] = line.split('\t');
        const [mode = '', type = '', sha = '', size = '-'] = facts.split(/ +/);
        return { mode, type, sha, path: name, ...(size === '-' ? {} : { size: Number(size) }) };
      });
  }

  async changes(from: string, to: string): Promise<FileChange[]> {
    const diff = ['diff-tree', '-r', '-z', '--no-renames', '--no-abbrev'];
    const raw = (await this.run([...diff, '--raw', from, to])).split('\0');
    const counted = (await this.run([...diff, '--numstat', from, to])).split('\0');
    const lines = new Map(
      counted.map((line) => {
        const [plus = '', minus = '', name = ''] = line.split('\t');
        return [name, [Number(plus) || 0, Number(minus) || 0]];
      }),
    );
    const found: FileChange[] = [];
    for (let i = 0; i + 1 < raw.length; i += 2) {
      const [, , before = '', after = '', letter] = (raw[i] ?? '').split(' ');
      const filename = raw[i + 1] ?? '';
      const status = letter === 'A' ? 'added' : letter === 'D' ? 'removed' : 'modified';
      const [additions = 0, deletions = 0] = lines.get(filename) ?? [];
      found.push({ filename, sha: letter === 'D' ? before : after, status, additions, deletions });
    }
    return found;
  }

  async patch(from: string, to: string, path: string): Promise<string> {
    const out = await this.run(['diff-tree', '-p', '--no-renames', from, to, '--', path]);
    return out.slice(Math.max(0, out.indexOf('\n@@') + 1)).trimEnd();
  }

  /** The tree of a merge; undefined where it conflicts. */
  async mergeTree(a: string, b: string): Promise<string | undefined> {
    return (await this.try(['merge-tree', '--write-tree', a, b]))?.split('\n')[0];
  }
}
