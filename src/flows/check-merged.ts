import { appendFile } from 'node:fs/promises';
import { Fault } from '../base/fault.ts';
import { openRepository, type Repository } from '../forge/repository.ts';
import { checkPage } from '../report/check-page.ts';
import { plain } from '../report/safe.ts';
import { count } from '../report/words.ts';
import { stateAt } from './check.ts';
import { planFault } from './check-plan.ts';
import { brokenReason, isExcusable, ON_PURPOSE } from './check-sets.ts';
import { mirrorOf, type World } from './context.ts';
import { askCatalog } from './hosted.ts';
import { judgeMerge } from './judge.ts';
import { faultLine } from './main.ts';
import { checkPaths } from './outside.ts';
import { type Claim, readClaim } from './recompute.ts';
import { readState, type State } from './state.ts';

/** One step of main's future: what it is, what comes to it, and what it is then. */
interface Step {
  readonly main: string;
  readonly head: string;
  /** As the code host merged it. */
  readonly merged: string;
}

interface Found {
  readonly complaints: readonly Fault[];
  readonly warnings: readonly Fault[];
}

/**
 * The check `sluice/plan` on a host that has neither the mirror nor a forge: judges the merges that a code host made beyond main (one
 * of a pull request, several of a merge queue's group) as they are. Nothing is fetched, and no file of theirs is more than data; false
 * where something stops the merge.
 */
export async function checkMerged(world: World, rev: string): Promise<boolean> {
  const repo = await openRepository(world.repoDir);
  const steps = await stepsTo(repo, rev);
  const complaints: Fault[] = [];
  const warnings: Fault[] = [];
  for (const step of steps) {
    try {
      const found = await judgeStep(world, repo, step);
      complaints.push(...found.complaints);
      warnings.push(...found.warnings);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      complaints.push(error);
    }
  }
  print(world, steps, { complaints, warnings });
  await summarise(world, { complaints, warnings });
  return complaints.length === 0;
}

/** Main's own last commit, then each of the merges on it. */
async function stepsTo(repo: Repository, rev: string): Promise<Step[]> {
  const main = new Set((await repo.history('refs/remotes/origin/main')).chain.map(({ id }) => id));
  const { chain } = await repo.history(rev);
  const fork = chain.findIndex(({ id }) => main.has(id));
  if (fork === -1) {
    throw new Fault('HISTORY_REFUSED', `${rev} has no commit of origin/main on its first-parent chain`, {
      hint: 'Name the merge that the code host made of the pull request (GITHUB_SHA).',
    });
  }
  if (fork === 0) {
    throw new Fault('USAGE', `${rev} is on main already`, { hint: 'There is nothing to judge.' });
  }
  const steps: Step[] = [];
  for (let i = fork; i > 0; i -= 1) {
    const [before, merged] = [chain[i]?.id as string, chain[i - 1]?.id as string];
    const [, head, more] = await repo.parents(merged);
    if (more !== undefined) {
      throw new Fault('HISTORY_REFUSED', `${merged} merges more than one head`, {
        hint: 'Merge one pull request at a time.',
      });
    }
    steps.push({ main: before, head: head ?? merged, merged });
  }
  return steps;
}

async function judgeStep(world: World, repo: Repository, step: Step): Promise<Found> {
  const main = await readState(repo, step.main);
  const paths = [
    ...(await checkPaths(main.history, step.head)),
    ...(await checkPaths(main.history, step.merged)),
  ];
  if (paths.length > 0) return { complaints: paths, warnings: [] };
  const claimed = await claimOf(repo, main, step.head);
  const { base, claim, trailers } = claimed;
  const found = await stateAt(repo, step.head, base.history);
  // the ruleset asks for the approval
  const excused = async () => brokenReason(await repo.trailers(step.head)) !== undefined;
  const merging = { ...step, main, base, found, claim, trailers, excused };
  const mirror = world.mirrorDir === undefined ? undefined : mirrorOf(world);
  const states = found.state ? [base, found.state] : [base];
  const asked = await askCatalog(world, main, states, (catalog) =>
    judgeMerge(world, repo, merging, catalog, mirror),
  );
  if (asked.kind === 'not') return { complaints: [asked.fault ?? notAsked(asked.why)], warnings: [] };
  const { complaints, warnings, differences = [] } = asked.answer;
  const plan = planFault(differences, claimed.untouched);
  if (!plan) return { complaints, warnings };
  return claimed.untouched
    ? { complaints: [plan, ...complaints], warnings }
    : { complaints, warnings: [plan, ...warnings] };
}

interface Claimed {
  readonly claim: Claim | undefined;
  readonly trailers: readonly (readonly [string, string])[];
  readonly base: State;
  /** Nobody has changed anything since the bot. */
  readonly untouched: boolean;
}

/** What the head's first commit beyond main says of itself. */
async function claimOf(repo: Repository, main: State, head: string): Promise<Claimed> {
  const known = new Set(main.history.chain.map(({ id }) => id));
  const { chain } = await repo.history(head);
  const fork = chain.findIndex(({ id }) => known.has(id));
  const [first, parent] = [chain[fork - 1], chain[fork]];
  if (!first || !parent) return { claim: undefined, trailers: [], base: main, untouched: false };
  const base = parent.id === main.commit ? main : await readState(repo, parent.id);
  const trailers = await repo.trailers(first.id);
  return { claim: readClaim(trailers), trailers, base, untouched: fork === 1 };
}

/** The one check that a merge waits for is not green because it could not look. */
function notAsked(why: string): Fault {
  return new Fault('CATALOG_MISSING', `client sets and plans cannot be checked here: ${why}`, {
    hint: 'Serve the mirror\u2019s catalog (examples/nginx.conf) and name it on main: catalogUrl.',
    at: 'policies/site.yaml',
  });
}

/** The page that GitHub shows of the job, where it says in which file it is looked for. */
async function summarise({ env }: World, found: Found): Promise<void> {
  const file = env['GITHUB_STEP_SUMMARY'];
  if (file === undefined || file === '') return;
  const { title, summary, text } = checkPage({ ...found, differences: undefined, approved: false });
  await appendFile(file, `## ${title}\n\n${summary}\n\n${text}\n`);
}

function print(world: World, steps: readonly Step[], { complaints, warnings }: Found): void {
  if (world.json) {
    const say = (f: Fault) => ({ code: f.code, message: f.message, at: f.at, hint: f.hint });
    const heads = steps.map(({ head }) => head);
    const said = { heads, complaints: complaints.map(say), warnings: warnings.map(say) };
    world.print(`${JSON.stringify(said, null, 2)}\n`);
    return;
  }
  const annotate = world.env['GITHUB_ACTIONS'] !== undefined;
  for (const fault of complaints) console.error(faultLine(fault, annotate));
  if (complaints.some(isExcusable)) console.error(ON_PURPOSE);
  for (const fault of warnings) {
    const line = faultLine(fault, annotate);
    world.progress.say(annotate ? line.replace('::error', '::warning') : `warning: ${line}`);
  }
  const verdict = complaints.length === 0 ? 'good' : count(complaints.length, 'complaint');
  world.print(`checked ${steps.map(({ head }) => plain(head.slice(0, 12))).join(', ')}: ${verdict}\n`);
}
