import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../base/fault.ts';
import { type Forge, isCurrent, type PullRequest } from '../forge/forge.ts';
import { parseIdentity } from '../forge/objects.ts';
import { openRepository, type Repository } from '../forge/repository.ts';
import { plain } from '../report/safe.ts';
import { forgeRepository, later, type World } from './context.ts';
import { deliveredData } from './deliver.ts';
import { forgeOf, forgePlace } from './forge-of.ts';
import { type HotfixRequest, hotfix } from './hotfix.ts';
import { publishedData, reconcile, sayPublished } from './publish.ts';
import { mergeReviewed } from './pull.ts';
import { Steps } from './steps.ts';

/** What became of a pull request that was followed. */
interface Followed {
  readonly number: number;
  readonly commit: string;
  readonly by: string;
}

/** Asking a code host is three requests, of which it allows 5,000 an hour; asking a folder is none. */
const POLL_MS = { local: 1_000, host: 10_000 };

/**
 * An emergency as one command: proposes, waits until somebody else has approved of each pull request (or has merged it), checks and
 * merges it as `pr merge` does, and publishes. What one step read the next one need not read again; what it judges is judged anew. The
 * same command again goes on where an earlier one was interrupted.
 */
export async function hotfixAndFollow(
  world: World,
  request: HotfixRequest,
  o: { readonly pollMs?: number } = {},
): Promise<void> {
  const steps = new Steps(world);
  const delivered = await hotfix(world, request, steps);
  steps.end('proposed');
  const numbers = delivered.flatMap(({ pull }) => pull?.number ?? []);
  const left = new Set(numbers);
  const merged: Followed[] = [];
  using advice = new Advice(world, left);
  const repo = await openRepository(world.repoDir);
  const forge = await forgeOf(world, repo);
  const isLocal = (await forgePlace(repo)) === 'local';
  const of = { world, repo, forge, steps, pollMs: o.pollMs ?? (isLocal ? POLL_MS.local : POLL_MS.host) };
  for (const number of numbers) {
    merged.push(await followOne(of, number));
    left.delete(number);
  }
  const from = await forgeRepository(repo);
  if (!isLocal) await forge.tip(); // somebody else may have merged
  const main = { repo: from, main: isLocal ? 'main' : 'origin/main' }; // the clone moves on when clients have the fix
  const published = await reconcile(later(world), undefined, { from: main });
  steps.end('published');
  const [all, waited] = [steps.seconds(), steps.seconds('waited for the review of')];
  const data = { plans: deliveredData(delivered), merged, published: publishedData(published) };
  if (world.json) world.print(`${JSON.stringify({ ...data, steps: steps.done, seconds: all }, null, 2)}\n`);
  sayPublished(world, 'main', published);
  advice.needless();
  const waiting = numbers.length > 0 ? `, ${waited.toFixed(1)} s of it for the review` : '';
  world.progress.say(`from the command to the clients: ${all.toFixed(1)} s${waiting}`);
  if (!repo.bare) await repo.update();
}

interface Following {
  readonly world: World;
  readonly repo: Repository;
  readonly forge: Forge;
  readonly steps: Steps;
  readonly pollMs: number;
}

/** Only a head that somebody approved of is merged: one that changed since is waited for again. */
async function followOne(of: Following, number: number): Promise<Followed> {
  const { world, repo, forge, steps } = of;
  for (;;) {
    const pull = await reviewed(of, number);
    steps.end('waited for the review of', number);
    const said = mergedBy(pull);
    if (said) {
      if (!world.json) world.print(`#${number} was merged by ${plain(said.by)}\n`);
      return { number, ...said };
    }
    const now = later(world);
    const isMine = (seen: PullRequest) =>
      isApproved(seen, world) && steps.end('checked', number) === undefined;
    const commit = await mergeReviewed(now, repo, forge, number, isMine);
    if (commit === undefined) continue;
    steps.end('merged', number);
    if (!world.json) world.print(`merged #${number} as ${commit.slice(0, 12)}\n`);
    return { number, commit, by: world.by };
  }
}

/** The pull request once it may go on; a Fault where somebody closed it. */
async function reviewed({ world, forge, pollMs }: Following, number: number): Promise<PullRequest> {
  let told = '';
  let blocked = false;
  for (;;) {
    const pull = await forge.get(number);
    if (pull.state === 'closed') {
      throw new Fault('FORGE_REFUSED', `#${number} was closed`, {
        hint: `Read what sluice pr show ${number} says of it; the same command proposes it anew.`,
        at: `#${number}`,
      });
    }
    const approved = isApproved(pull, world);
    if (pull.state === 'merged' || (approved && !(await forge.isBlocked(number)))) return pull;
    if (approved && !blocked) {
      world.progress.say(
        `#${number} is approved, and waits for what else its code host asks for: its checks`,
      );
      blocked = true;
    }
    if (!approved && told !== pull.head) {
      const what = told === '' ? '' : ' (it has changed)';
      world.progress.say(
        `#${number}${what} waits for somebody else than ${plain(proposers(pull, world)[0] ?? '')}: sluice pr approve ${number}`,
      );
    }
    if (!approved) told = pull.head;
    await sleep(pollMs);
  }
}

function mergedBy({ state, mergeCommit, mergedBy: by }: PullRequest): Omit<Followed, 'number'> | undefined {
  return state === 'merged' && mergeCommit !== undefined ? { commit: mergeCommit, by: by ?? '' } : undefined;
}

/** By somebody else than whoever proposed it or follows it, and of the head that is there now. */
function isApproved(pull: PullRequest, world: World): boolean {
  const own = proposers(pull, world);
  return pull.approvals.some((a) => isCurrent(pull, a) && !own.some((one) => isSamePerson(one, a.by)));
}

function proposers({ trailers }: PullRequest, { by }: World): string[] {
  return [by, ...trailers.flatMap(([key, value]) => (key === 'Sluice-By' ? [value] : []))];
}

/** `Anna`, `anna` and `Anna <anna@example.org>` are one. */
function isSamePerson(a: string, b: string): boolean {
  const [one, other] = [parseIdentity(a), parseIdentity(b)];
  const same = (x: string, y: string) => x.toLowerCase() === y.toLowerCase();
  return same(one.name, other.name) || same(one.email, other.email);
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** How to go on from where it stands, said where the command ends before all is published: by a Fault, or by a signal. */
class Advice implements Disposable {
  readonly #world: World;
  readonly #left: ReadonlySet<number>;
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    this[Symbol.dispose]();
    process.kill(process.pid, signal); // ends as without us: the shell is to see by what
  };
  #needed = true;

  constructor(world: World, left: ReadonlySet<number>) {
    this.#world = world;
    this.#left = left;
    for (const signal of SIGNALS) process.once(signal, this.#onSignal);
  }

  needless(): void {
    this.#needed = false;
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
    if (!this.#needed) return;
    this.#needed = false;
    const merge = this.#left.size > 0 ? `sluice pr merge ${[...this.#left].join(' ')}, then ` : '';
    this.#world.progress.say(`to go on: ${merge}sluice publish; or the same command again`);
  }
}
