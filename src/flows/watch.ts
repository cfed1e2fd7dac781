import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../base/fault.ts';
import { openRepository, type Repository } from '../forge/repository.ts';
import { writeFileAtomic } from '../pool/disk.ts';
import { publishedCommit } from '../publish/state.ts';
import { plain } from '../report/safe.ts';
import { count } from '../report/words.ts';
import { lookAtPulls } from './check-pulls.ts';
import { mirrorOf, openState, type World } from './context.ts';
import { canWriteForge } from './forge-of.ts';
import { faultLine } from './main.ts';
import { notifySystemd, watched } from './notify.ts';
import { reconcile } from './publish.ts';

export interface WatchOptions {
  /** Between two looks at main, in milliseconds. */
  readonly interval: number;
  /** Ends it: at once while it waits, else when the publication that is under way is done. */
  readonly stop: AbortSignal;
}

/** `<mirror>/state/watch.json`, for whatever watches the watcher; also what `--json` prints after each look. */
interface Report {
  /** When this was written: if that is long ago, nothing is watching. */
  readonly at: string;
  /** When origin's main could be asked last. */
  readonly asked: string | null;
  readonly main: string | null;
  readonly published: string | null;
  /** How long main has said what is not published: 0 where all is. */
  readonly lagSeconds: number;
  readonly fault: { readonly code: string; readonly message: string; readonly at: string | null } | null;
}

/**
 * Makes the mirror what main says, again and again. Whatever stops one look (the network, a main that is not accepted, a full disk)
 * leaves what is published as it is, is said once, and is tried again at the next.
 */
export async function watchMain(world: World, { interval, stop }: WatchOptions): Promise<boolean> {
  const { env } = world;
  const progress = watched(world.progress, env);
  let asked: Date | undefined;
  let said = '';
  let ready = false;
  while (!stop.aborted) {
    const now = world.clock?.() ?? world.now;
    const fault = await look({ ...world, now, progress }, () => {
      asked = now;
    });
    const report = await reportOf(world, { now, asked, fault });
    await tell(world, report).catch((error: unknown) =>
      progress.say(`${reportPath(world)}: ${String(error)}`),
    );
    const line = fault ? faultLine(fault, false) : '';
    if (line !== said) progress.say(line === '' ? 'main is published again' : line);
    said = line;
    const status = `STATUS=${fault ? `${fault.code}; ` : ''}${count(report.lagSeconds, 'second')} behind`;
    await notifySystemd(env, ...(ready ? [] : ['--ready']), 'WATCHDOG=1', status);
    ready = true;
    await sleep(interval, undefined, { signal: stop }).catch(() => {}); // woken to stop
  }
  await notifySystemd(env, 'STOPPING=1');
  return true;
}

/** One publication; what is against it. */
async function look(world: World, onAsked: () => void): Promise<Fault | undefined> {
  try {
    const from = await openState(world);
    const done = await reconcile(world, undefined, { from, onAsked });
    const moved = done.repositories.filter(({ outcome }) => outcome === 'published').length;
    if (moved + done.removed.length > 0 && !world.json) {
      const what = count(moved, 'repository', 'repositories');
      world.print(`${done.commit.slice(0, 12)}: published ${what}, removed ${done.removed.length}\n`);
    }
    return done.failed[0]?.fault ?? (await lookAtOpen(world, from.repo));
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error; // a bug of ours: systemd starts a new one
  }
}

/** What the mirror says of open pull requests, where it can say it: main as it is published now decides. */
async function lookAtOpen(world: World, repo: Repository): Promise<Fault | undefined> {
  if (!(await canWriteForge(world, repo))) return undefined;
  const { pulls, faults } = await lookAtPulls(world, { numbers: [], patience: 0 });
  for (const { number, green, title, outcome } of pulls) {
    if (outcome === 'set' && !world.json)
      world.print(`#${number} ${green ? 'green' : 'red'}: ${plain(title)}\n`);
  }
  return faults[0];
}

interface Looked {
  readonly now: Date;
  readonly asked: Date | undefined;
  readonly fault: Fault | undefined;
}

async function reportOf(world: World, { now, asked, fault }: Looked): Promise<Report> {
  const published = await publishedCommit(mirrorOf(world).root);
  const { main, since } = await waitingSince(world, published);
  const lag = since === undefined ? 0 : now.getTime() - since.getTime();
  return {
    at: now.toISOString(),
    asked: asked?.toISOString() ?? null,
    main: main ?? null,
    published: published ?? null,
    lagSeconds: Math.max(0, Math.round(lag / 1_000)),
    fault: fault ? { code: fault.code, message: fault.message, at: fault.at ?? null } : null,
  };
}

/** Main as it was fetched last, and the time of its first commit that is not published: it survives a restart. */
async function waitingSince(
  world: World,
  published: string | undefined,
): Promise<{ readonly main?: string; readonly since?: Date }> {
  try {
    const repo = await openRepository(world.repoDir);
    const { commit, chain } = await repo.history(repo.bare ? 'main' : 'refs/remotes/origin/main');
    const at = chain.findIndex(({ id }) => id === published);
    const first = at === -1 ? chain.at(-1) : chain[at - 1];
    return { main: commit, ...(first ? { since: first.time } : {}) };
  } catch (error) {
    if (error instanceof Fault) return {}; // nothing was ever fetched; the report has the reason
    throw error;
  }
}

function reportPath(world: World): string {
  return join(mirrorOf(world).root, 'state', 'watch.json');
}

async function tell(world: World, report: Report): Promise<void> {
  const line = `${JSON.stringify(report)}\n`;
  if (world.json) world.print(line);
  await writeFileAtomic(reportPath(world), line, { mirrorRoot: mirrorOf(world).root });
}
