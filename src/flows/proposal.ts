import { createHash } from 'node:crypto';
import { formatChecksum } from '../base/checksum.ts';
import { byCodeUnit } from '../base/order.ts';
import { branchName, type Draft } from '../forge/forge.ts';
import { lockPath, snapshotPath } from '../manifest/ids.ts';
import type { TierPolicy } from '../manifest/policy.ts';
import { renderNear } from '../manifest/render-near.ts';
import { renderSnapshot, type Snapshot, type SnapshotFiles } from '../manifest/snapshot.ts';
import type { Plan } from '../plan/types.ts';
import { type ForgeWords, PLAIN_FORGE, type Provenance } from '../report/acting.ts';
import { body } from '../report/body.ts';
import { digest } from '../report/digest.ts';
import { urgent } from '../report/sections.ts';
import { title } from '../report/title.ts';
import { liveName, type State, upstreamOf } from './state.ts';
import { VERSION } from './version.ts';

/** The files that a plan changes, as they will be: path to text. Empty: nothing to do. */
export function planFiles(plans: readonly Plan[], state: State): Map<string, string> {
  const files = new Map<string, string>();
  for (const plan of plans) {
    for (const { repository, before, after, changes } of plan.repositories) {
      if (before === after || (before && changes.length === 0 && plan.verb !== 'sync')) continue;
      if (!before && after.pins.length === 0 && ['promote', 'import', 'hotfix'].includes(plan.verb)) continue;
      const { yaml, lock } = rendered(after, before, state);
      for (const [path, text] of [
        [snapshotPath(repository), yaml],
        [lockPath(repository), lock],
      ] as const) {
        if (state.files.get(path) !== text) files.set(path, text);
      }
    }
    for (const [path, text] of plan.files ?? []) if (state.files.get(path) !== text) files.set(path, text);
  }
  return new Map([...files].sort(([a], [b]) => byCodeUnit(a, b)));
}

/** Most lines of a tier are those that main has of it. */
function rendered(after: Snapshot, before: Snapshot | undefined, state: State): SnapshotFiles {
  const { repository } = after;
  const yaml = state.files.get(snapshotPath(repository));
  const lock = state.files.get(lockPath(repository));
  if (!before || yaml === undefined || lock === undefined || state.snapshot(repository) !== before)
    return renderSnapshot(after);
  return renderNear(after, { files: { yaml, lock }, snapshot: before });
}

/** The digest of what a plan writes: path and text of each file. */
export function filesDigest(files: ReadonlyMap<string, string>): string {
  const hash = createHash('sha256');
  for (const [path, text] of files) hash.update(`${path}\0${text.length}\0${text}\0`);
  return `sha256:${hash.digest('hex')}`;
}

function policyFiles(state: State): Map<string, string> {
  const paths = [...state.files.keys()].filter((path) => path.startsWith('policies/')).sort(byCodeUnit);
  return new Map(paths.map((path) => [path, state.files.get(path) ?? '']));
}

/** What was asked, in words that the check can ask again: the trailers of the bot's commit. */
export interface Asked {
  readonly verb: string;
  /** `infra/stable rocky-9-x86_64` */
  readonly scope: string;
  readonly now: Date;
  /** Options that had a part in the plan: `Sluice-Named: openssl`. */
  readonly options: readonly (readonly [string, string])[];
  /** What tells the branch from others of the same scope; absent: what was named. */
  readonly branch?: readonly string[];
  /** Of the pull request that is made anew. */
  readonly onBranch?: string;
}

export function trailers(asked: Asked, catalog: readonly string[]): [string, string][] {
  return [
    ['Sluice-Verb', asked.verb],
    ['Sluice-Scope', asked.scope],
    ['Sluice-Now', asked.now.toISOString()],
    ...catalog.map((line): [string, string] => ['Sluice-Catalog', line]),
    ...asked.options.map(([key, value]): [string, string] => [key, value]),
  ];
}

/** Which upstream states the plan stands on: `<upstream id> sha256:…`, of live's manifests (after the plan, for a sync). */
export function catalogLines(plan: Plan, state: State): string[] {
  const lines = new Set<string>();
  for (const { repository, after } of plan.repositories) {
    const id = `${repository.os}-${repository.version}-${repository.arch}-${repository.repo}`;
    const live = after.upstream ?? state.snapshot(liveName(upstreamOf(state.policies, id)))?.upstream;
    if (live) lines.add(`${id} ${formatChecksum(live.repomd)}`);
  }
  return [...lines].sort();
}

export function provenanceOf(plan: Plan, state: State, files: ReadonlyMap<string, string>): Provenance {
  return {
    base: state.commit,
    plan: filesDigest(files),
    policies: filesDigest(policyFiles(state)),
    catalog: catalogLines(plan, state),
    mirrorUrl: state.policies.site.mirrorUrl,
    version: VERSION,
  };
}

/** One plan as a pull request: branch, title, body, files, trailers. */
export function draftOf(
  plan: Plan,
  state: State,
  files: ReadonlyMap<string, string>,
  asked: Asked,
  forge: ForgeWords = PLAIN_FORGE,
): Draft {
  const from = provenanceOf(plan, state, files);
  const { catalog } = from;
  const { window } = tierOfPlan(state, plan) ?? {};
  const told = digest(plan);
  const severe = urgent(told);
  return {
    branch: branchOf(plan, asked),
    base: state.commit,
    title: title(plan, told),
    body: body(plan, from, forge),
    files,
    trailers: trailers(asked, catalog),
    labels: ['sluice', `sluice:${asked.verb}`],
    isPlan: true,
    ...(severe.length > 0 ? { urgent: severe } : {}),
    ...(window ? { window } : {}),
  };
}

/** Live is no team's. */
export function tierOfPlan(state: State, of: { team: string; tier: string }): TierPolicy | undefined {
  return state.policies.teams.get(of.team)?.tiers.find(({ name }) => name === of.tier);
}

/** What was named comes last. Of a hotfix all of it is one part, and no other request has the same: each has its own branch. */
export function branchOf(plan: Pick<Plan, 'team' | 'tier' | 'set'>, asked: Asked): string {
  if (asked.onBranch !== undefined) return asked.onBranch;
  const named = asked.options.filter(([key]) => key === 'Sluice-Named').map(([, value]) => value);
  const where = [asked.verb, plan.team, plan.tier] as const;
  if (asked.verb === 'hotfix') return branchName(...where, plan.set, short(named.join('+'), 70));
  const own = asked.branch ?? named.slice(0, 3);
  if (asked.verb !== 'promote') return branchName(...where, plan.set, ...own);
  // beside the tier's own branch: in git none can be a folder of another
  return branchName(...where, [plan.set, short(own.join('+'), 40)].filter((word) => word !== '').join('+'));
}

function short(words: string, most: number): string {
  if (words.length <= most) return words;
  const digest = createHash('sha256').update(words).digest('hex').slice(0, 8);
  return `${words.slice(0, most - 10)}+${digest}`;
}
