import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Fault } from '../base/fault.ts';
import type { Repository } from '../forge/repository.ts';
import { errataOf } from '../manifest/errata.ts';
import { lockPath, parseSnapshotPath, type RepositoryName, snapshotPath } from '../manifest/ids.ts';
import { parseSnapshot, type Snapshot } from '../manifest/snapshot.ts';
import type { Catalog } from '../pool/catalog.ts';
import { gc } from '../publish/gc.ts';
import { type Published, publish } from '../publish/publish.ts';
import { repofile, repofileOf } from '../publish/repofile.ts';
import { signerOf } from '../publish/sign.ts';
import { verify } from '../publish/verify.ts';
import { plain } from '../report/safe.ts';
import { columns } from '../report/terminal.ts';
import { bytes, count, number } from '../report/words.ts';
import { baseUrl } from '../upstream/url.ts';
import { forgeRepository, mirrorOf, openState, type World } from './context.ts';
import { errataOfCommits, errataOfHosts } from './errata-views.ts';
import { forgeOf, forgePlace } from './forge-of.ts';
import { acceptMain } from './main-signature.ts';
import { lastKnownGood } from './past.ts';
import { everyScope } from './promote.ts';
import { refuseRecalled } from './publish-recalls.ts';
import { NoAnswer } from './served.ts';
import { readState, type State } from './state.ts';
import { isTree } from './trees.ts';
import { type VerifiedUrl, verifyUrl } from './verify-url.ts';

/** Reconciles the mirror with main, or puts an earlier commit beside it below public/at/. */
export async function publishMain(world: World, at: string | undefined): Promise<boolean> {
  const done = await reconcile(world, at);
  if (world.json) world.print(`${JSON.stringify(publishedData(done), null, 2)}\n`);
  sayPublished(world, at ?? 'main', done);
  return true;
}

/** `from`: where main is read, where that is known already. `onAsked`: main could be asked. */
export async function reconcile(
  world: World,
  at: string | undefined,
  o: {
    readonly from?: { readonly repo: Repository; readonly main: string };
    readonly onAsked?: () => void;
  } = {},
): Promise<Published> {
  const { root: mirror, catalog, pool } = mirrorOf(world);
  const { repo, main } = o.from ?? (await openState(world));
  o.onAsked?.();
  const tip = await repo.history(main);
  await acceptMain(repo, tip, mirror, world.now);
  const history = at === undefined ? tip : await repo.history(await repo.resolve(at));
  const refuse = await refuseRecalled(tip, history);
  const view = at === undefined ? {} : { view: { kind: 'at', commit: history.commit } as const };
  const { now, progress } = world;
  const signer = signerOf(world.env);
  return await publish({
    mirror,
    history,
    catalog,
    pool,
    now,
    progress,
    signer,
    ...view,
    ...(refuse ? { refuse } : {}),
  });
}

/** For `--json`. */
export function publishedData(done: Published) {
  const failed = done.failed.map(({ id, fault }) => {
    const { code, message, at } = fault;
    return { id, code, message, at };
  });
  return { ...done, failed };
}

/** Says what became of it; throws what kept a repository from being published. */
export function sayPublished(world: World, what: string, done: Published): void {
  if (!world.json) {
    const rows = done.repositories.map((r) => [
      r.id,
      r.outcome,
      r.revision.slice(0, 12),
      r.linked > 0 ? count(r.linked, 'new link') : '',
    ]);
    world.print(`${what} is ${done.commit.slice(0, 12)}\n${columns(rows, '  ')}`);
    for (const id of done.removed) world.print(`  ${id}  removed: main no longer has it\n`);
  }
  if (done.reformatted.length > 0) {
    const which = count(done.reformatted.length, 'repository', 'repositories');
    world.progress.say(
      `this version of Sluice writes other bytes than the last: ${which} were written anew (docs/upgrade.md)`,
    );
  }
  for (const { id, fault } of done.failed) world.progress.say(`${id}: ${fault.message}`);
  const [first] = done.failed;
  if (first) throw first.fault;
}

/** Proves that what is served is what the last published commit says; false where it is not. */
export async function verifyMirror(world: World): Promise<boolean> {
  const { root: mirror, catalog, pool } = mirrorOf(world);
  const { repo, main } = await openState(world);
  const history = await repo.history(main);
  const done = await verify({ mirror, history, catalog, pool, progress: world.progress });
  if (world.json) world.print(`${JSON.stringify(done, null, 2)}\n`);
  else {
    world.print(
      columns(
        done.differences.map((d) => [d.code, d.path, plain(d.says)]),
        '',
      ),
    );
    const what = `${count(done.repositories, 'repository', 'repositories')}, ${count(done.links, 'package link')}, ${count(done.files, 'file')} hashed`;
    const verdict =
      done.differences.length === 0 ? 'all as the commit says' : count(done.differences.length, 'difference');
    world.print(`${what}: ${verdict}\n`);
  }
  return done.differences.length === 0;
}

export interface VerifyServed {
  readonly url: string;
  readonly at: string | undefined;
  readonly metadata: boolean;
}

/** Proves from anywhere, with git alone, that what a URL serves is what a commit says; false where it is not. */
export async function verifyServed(world: World, o: VerifyServed): Promise<boolean> {
  const url = baseUrl(o.url, 'verify');
  const { repo, main } = await openState(world);
  const history = await repo.history(o.at === undefined ? main : await repo.resolve(o.at));
  const folder = await mkdtemp(join(tmpdir(), 'sluice-verify-'));
  try {
    const { progress } = world;
    const look = o.at === undefined ? 'current' : 'at';
    const done = await verifyUrl({ url, history, look, packages: !o.metadata, folder, progress });
    if (world.json) world.print(`${JSON.stringify(done, null, 2)}\n`);
    else printServed(world, done);
    return done.differences.length === 0;
  } catch (cause) {
    throw cause instanceof NoAnswer ? cause.fault : cause;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function printServed(world: World, done: VerifiedUrl): void {
  const { commit, differences, repositories, thin, packages, short } = done;
  world.print(
    columns(
      differences.map((d) => [d.code, plain(d.path), plain(d.says)]),
      '',
    ),
  );
  const verdict =
    differences.length === 0 ? 'all as the commit says' : count(differences.length, 'difference');
  const what = `${count(repositories, 'repository', 'repositories')}, ${count(packages, 'package')} hashed, ${bytes(done.bytes)}`;
  world.print(`${commit.slice(0, 12)}: ${what}: ${verdict}\n`);
  if (thin.length > 0) world.print(`thin, so that only metadata was proved: ${thin.join(', ')}\n`);
  if (short > 0) {
    const builds = count(short, 'build');
    world.print(
      `${builds} that no upstream lists any more: their metadata was proved by 48 bits of its digest\n`,
    );
  }
}

/** Frees what nothing retained can reach; says of each file why it stays or goes. */
export async function freeMirror(world: World, o: { dryRun: boolean }): Promise<void> {
  const { root: mirror, catalog, pool } = mirrorOf(world);
  const { repo, main } = await openState(world);
  const forge = await forgeRepository(repo); // it has the heads of open pull requests
  const state = await readState(forge, forge === repo ? main : 'main');
  const { grace, retain } = state.policies.site;
  const commits = retainedCommits(state, new Date(world.now.getTime() - retain));
  for (const id of await knownGood(forge, state, world.now)) if (!commits.includes(id)) commits.push(id);
  const heads = await openHeads(world, repo);
  const retained = {
    commits: new Set(commits),
    pulls: new Set(heads.map((h) => h.number)),
    snapshots: retainedSnapshots(
      catalog,
      commits,
      heads.map((h) => h.head),
      state,
    ),
  };
  const entries: string[][] = [];
  const tell = (e: { fate: string; kind: string; path: string; bytes: number; reason: string }) => {
    if (o.dryRun || e.fate === 'freed')
      entries.push([e.fate, e.kind, bytes(e.bytes), e.path, plain(e.reason)]);
  };
  const { now } = world;
  const done = await gc({ mirror, pool, catalog, retained, grace, now, dryRun: o.dryRun, tell });
  if (world.json) return world.print(`${JSON.stringify({ ...done, entries }, null, 2)}\n`);
  world.print(columns(entries, ''));
  const would = o.dryRun ? 'would free' : 'freed';
  world.print(`${would} ${number(done.freed)} of ${number(done.freed + done.kept)}, ${bytes(done.bytes)}\n`);
}

/** Main's tips since then, and the one that was the tip at that time. */
function retainedCommits(state: State, since: Date): string[] {
  const { chain } = state.history;
  const older = chain.findIndex((c) => c.time < since);
  return chain.slice(0, older < 0 ? chain.length : older + 1).map((c) => c.id);
}

/** What tiers may be rolled back to by its name stays, however old it is. */
async function knownGood(repo: Repository, state: State, now: Date): Promise<string[]> {
  const found: string[] = [];
  for (const scope of everyScope(state)) {
    const good = await lastKnownGood(repo, state, scope, now);
    if (good) found.push(good.commit.id);
  }
  return found;
}

/** Open pull requests; none where there is no forge. One that does not say which are open is no such place: it may have some. */
async function openHeads(world: World, repo: Repository): Promise<{ number: number; head: string }[]> {
  const forge = await forgeOf(world, repo).catch(async (error: unknown) => {
    const isNone = error instanceof Fault && error.code === 'FORGE_REFUSED';
    if (!isNone || (await forgePlace(repo)) !== 'local') throw error;
    return undefined;
  });
  const open = (await forge?.list({ state: 'open' })) ?? [];
  return open.filter(({ fromFork }) => !fromFork); // anybody can make one: it must keep nothing
}

/** Whoever opens a pull request may name a tree that is none: that must not keep what is garbage, nor end the run. */
async function* retainedSnapshots(
  catalog: Catalog,
  commits: readonly string[],
  heads: readonly string[],
  state: State,
): AsyncIterable<Snapshot> {
  yield* snapshotsOf(commits, state);
  yield* errataOfCommits([...commits, ...heads], state.history);
  for await (const snapshot of snapshotsOf(heads, state)) {
    const { kickstart, ...others } = snapshot;
    yield kickstart && !(await isTree(catalog, kickstart)) ? others : snapshot;
  }
}

/** Every distinct snapshot of these commits, by the blob ids of its two files. */
async function* snapshotsOf(commits: readonly string[], state: State): AsyncIterable<Snapshot> {
  const seen = new Set<string>();
  for (const commit of commits) {
    const entries = await state.history.entries('snapshots', commit);
    for (const path of entries.keys()) {
      const name = path.endsWith('.yaml') ? parseSnapshotPath(path) : undefined;
      if (!name) continue;
      const key = [snapshotPath(name), lockPath(name)].map((p) => entries.get(p)?.id ?? '').join(' ');
      if (seen.has(key)) continue;
      seen.add(key);
      const texts = await state.history.readMany([snapshotPath(name), lockPath(name)], commit);
      const [yaml, lock] = [texts.get(snapshotPath(name)), texts.get(lockPath(name))];
      if (yaml !== undefined && lock !== undefined) {
        yield parseSnapshot({ yaml, lock }, snapshotPath(name), { lenient: true }); // what was merged long ago still counts
      }
    }
  }
}

/** Whose `.repo` file: of a tier, or of the hosts of a group, which get errata sets. */
export type RepofileOf =
  | { readonly team: string; readonly tier: string }
  | { readonly group: string; readonly set?: string | undefined };

/** Prints the `.repo` file of a tier or of a group of hosts. */
export async function writeRepofile(
  world: World,
  o: RepofileOf & { readonly at: string | undefined },
): Promise<void> {
  const { repo, main } = await openState(world);
  const at = o.at === undefined ? undefined : await repo.resolve(o.at);
  const state = await readState(repo, at ?? main);
  const { policies } = state;
  const fixed = at === undefined ? {} : { at };
  if ('group' in o) {
    const { repositories } = await errataOfHosts(state, o.group, o.set);
    const title = (name: RepositoryName) => `${o.group}, errata of ${errataOf(name)?.date}`;
    return world.print(repofileOf({ repositories, policies, title, ...fixed }));
  }
  const { team, tier } = o;
  world.print(repofile({ team, tier, repositories: state.repositories, policies, ...fixed }));
}
