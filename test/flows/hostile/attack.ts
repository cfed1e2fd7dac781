import { execFile } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect } from 'vitest';
import { Fault, type FaultCode } from '../../../src/base/fault.ts';
import { faultLine } from '../../../src/flows/main.ts';
import { openGit } from '../../../src/forge/git.ts';
import { CLI } from '../../fixtures/cli.ts';
import { COMPILED } from '../../fixtures/compiled.ts';
import { filesBelow } from '../../fixtures/tempDir.ts';
import {
  type Build,
  type Files,
  makeRepository,
  type RepositoryOptions,
} from '../../fixtures/upstreamRepository.ts';
import { makeSite, type Site, type SiteOptions } from '../site.ts';

const run = promisify(execFile);

export const ID = 'test-9-x86_64-main';

/** What every attack begins with, and goes back to: two builds, published to a tier. */
export const GOOD: readonly Build[] = [{ name: 'alpha' }, { name: 'beta' }];
/** The good timestamp plus a day: news, not a replay. */
export const NEWER = 1_700_086_400;

/** A site whose upstream is a folder that a test fills, and everything about it that must not change. */
export interface Target {
  readonly site: Site;
  readonly vendor: string;
  /** The upstream has these files and no others. */
  lay(files: Files): Promise<void>;
  /** A sync that proposes, of whatever the upstream is now. */
  sync(): Promise<number | undefined>;
}

/** One site for all cases of a file: none of them may leave a trace, so each begins with what the one before had. */
export function sharedTarget(
  o: Partial<SiteOptions> & { policy?: Readonly<Record<string, unknown>> } = {},
): () => Target {
  let target: Target | undefined;
  let dir: string | undefined;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sluice-hostile-'));
    target = await makeTarget(dir, o);
  }, 60_000);
  afterAll(async () => {
    if (dir) await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  });
  return () => {
    if (!target) throw new Error('the site is not there yet');
    return target;
  };
}

/** Live, unstable and the mirror have `GOOD`; sync has nothing left to do. */
export async function makeTarget(
  dir: string,
  o: Partial<SiteOptions> & { policy?: Readonly<Record<string, unknown>> } = {},
): Promise<Target> {
  const vendor = join(dir, 'vendor');
  const { policy, ...rest } = o;
  const upstreams = { [ID]: { baseurl: [`file://${vendor}`], ...policy } };
  const site = await makeSite({ dir, upstreams, ...rest });
  const lay = (files: Files) => layFiles(vendor, files);
  await lay(makeRepository({ builds: GOOD }));
  await site.merge(await site.sync());
  await site.merge(await site.promote('unstable'));
  await site.publish();
  site.output();
  return { site, vendor, lay, sync: () => site.sync() };
}

export async function layFiles(folder: string, files: Files): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  for (const [path, bytes] of files) {
    const target = join(folder, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, bytes);
  }
}

/** The good repository a day later, with one more build and whatever is wrong with it. */
export function later(more: Partial<Build> | undefined, o: Partial<RepositoryOptions> = {}): Files {
  const builds = more === undefined ? GOOD : [...GOOD, { name: 'gamma', ...more }];
  return makeRepository({ builds, timestamp: NEWER, ...o });
}

/** The same with one document written otherwise: `change` gets its text. */
export function withDocument(
  type: 'primary' | 'filelists' | 'other',
  change: (text: string) => string | Buffer,
  o: { readonly more?: Partial<Build> | undefined; readonly pack?: (bytes: Buffer) => Buffer } = {},
): Files {
  const plain = later(o.more ?? {});
  const [, packed] = [...plain].find(([path]) => path.endsWith(`-${type}.xml.gz`)) ?? [];
  const changed = change(gunzipSync(packed ?? Buffer.alloc(0)).toString());
  const pack = o.pack ?? ((bytes: Buffer) => gzipSync(bytes));
  return later(o.more ?? {}, { documents: { [type]: pack(Buffer.from(changed)) } });
}

/** What nobody may touch without a merge or a publication: refs, work tree, tiers as served, packages. */
export async function photograph({ site }: Pick<Target, 'site'>): Promise<Readonly<Record<string, unknown>>> {
  const [refs, forge, head, status] = await Promise.all([
    git(site.repoDir, 'for-each-ref'),
    git(`${site.repoDir}.git`, 'for-each-ref'),
    git(site.repoDir, 'rev-parse', 'HEAD'),
    git(site.repoDir, 'status', '--porcelain', '--ignored'),
  ]);
  return {
    refs,
    forge,
    head,
    status,
    served: await entries(join(site.mirrorDir, 'public')),
    pool: await entries(join(site.mirrorDir, 'pool')),
    beside: (await filesBelow(site.dir)).filter(
      (path) => !/^(?:mirror|state|state\.git|vendor)\//.test(path),
    ),
  };
}

async function entries(folder: string): Promise<string[]> {
  const lines: string[] = [];
  for (const path of await filesBelow(folder)) {
    const full = join(folder, path);
    const found = await lstat(full);
    const what = found.isSymbolicLink()
      ? `-> ${await readlink(full)}`
      : `${found.size} ${found.mtimeMs} ${found.mode}`;
    lines.push(`${path} ${found.ino} ${what}`);
  }
  return lines;
}

export async function git(dir: string, ...args: string[]): Promise<string> {
  return (await openGit(dir).run(args)).toString('utf8'); // a test's own process is large, and forks slowly
}

export interface Refusal {
  readonly code: FaultCode | readonly FaultCode[];
  /** What `at` must name. */
  readonly at: RegExp;
  readonly says?: RegExp | undefined;
}

/** The work ends in a Fault that a person can act on, and nothing is other than it was. */
export async function expectRefused(
  target: Pick<Target, 'site'>,
  work: () => Promise<unknown>,
  wanted: Refusal,
): Promise<Fault> {
  const before = await photograph(target);
  const fault = await faultOf(work);
  expect(await photograph(target)).toEqual(before);
  expectFault(fault, wanted);
  return fault;
}

/** What was thrown; whatever is not a Fault is thrown on, with its stack. */
export async function faultOf(work: () => Promise<unknown>): Promise<Fault> {
  let done: unknown;
  try {
    done = await work();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw new Error(`a bug, not a Fault: ${String(error)}`, { cause: error });
  }
  throw new Error(`nothing was refused: ${JSON.stringify(done)}`);
}

export function expectFault(fault: Fault, { code, at, says }: Refusal): void {
  expect([code].flat()).toContain(fault.code);
  expect(fault.at ?? '').toMatch(at);
  expect(fault.hint).toMatch(/^[A-Z]\w+ \S|^sluice /);
  if (says) expect(fault.message).toMatch(says);
  const line = faultLine(fault, false);
  expect(line).not.toMatch(/[\0-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
  expect(line.length).toBeLessThan(5_000);
}

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `sluice …` as a process of its own, as a person types it. */
export async function sluice(site: Site, ...args: string[]): Promise<Ended> {
  const [verb = '', ...rest] = args;
  const all = [
    CLI,
    verb,
    '--repo',
    site.repoDir,
    '--mirror',
    site.mirrorDir,
    '--now',
    site.now.toISOString(),
    ...rest,
  ];
  const { GITHUB_ACTIONS: _, ...others } = process.env;
  const env = { ...others, ...COMPILED, ...site.world().env };
  try {
    const { stdout, stderr } = await run(process.execPath, all, {
      encoding: 'utf8',
      maxBuffer: 64 << 20,
      env,
    });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as Ended;
    return { code, stdout, stderr };
  }
}

/** The line that people get: exit code 1, `<place>: CODE: message. Next step.`, and no stack. */
export async function expectLine(
  target: Pick<Target, 'site'>,
  args: readonly string[],
  wanted: RegExp,
): Promise<void> {
  const before = await photograph(target);
  const { code, stderr } = await sluice(target.site, ...args);
  expect(stderr).not.toMatch(/^ {4}at /m);
  expect(code).toBe(1);
  const line = stderr.trimEnd().split('\n').at(-1) ?? '';
  expect(line).toMatch(wanted);
  expect(line).toMatch(/^\S.*: [A-Z_]+: .+\. (?:[A-Z]|sluice ).+[.!"]$/s);
  expect(await photograph(target)).toEqual(before);
}

export async function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8');
}
