import { formatChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import type { PullRequest } from '../forge/forge.ts';
import { formatRepositoryId, lockPath, snapshotPath } from '../manifest/ids.ts';
import type { Pin } from '../manifest/snapshot.ts';
import { sameTree } from '../plan/kickstart.ts';
import { beyond, sumOf } from '../plan/sums.ts';
import type { Plan } from '../plan/types.ts';
import { compareEvr } from '../rpm/evr.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { Claim } from './recompute.ts';
import type { State } from './state.ts';

/**
 * What an emergency must not be: an occasion. A merge of a hotfix changes what its plan changes and nothing else, whoever approved of
 * the rest. Asked of main as it is and as it would be, so that it holds for what came between as well.
 */
export function checkScope(plan: Plan, main: State, merged: State): Fault[] {
  if (plan.verb !== 'hotfix') return [];
  const complaints: Fault[] = [];
  const complain = (message: string, at: string) =>
    complaints.push(
      new Fault('PLAN_DIFFERS', message, {
        hint: 'Take it out, and propose it for itself: a hotfix is what was named and what that needs.',
        at,
      }),
    );
  const mine = new Map<string, Plan['repositories'][number]>();
  for (const r of plan.repositories) {
    for (const path of [snapshotPath(r.repository), lockPath(r.repository)]) mine.set(path, r);
  }
  for (const path of new Set([...main.files.keys(), ...merged.files.keys()])) {
    if (main.files.get(path) === merged.files.get(path) || mine.has(path)) continue;
    complain(`${path} is no part of this hotfix`, path);
  }
  for (const r of plan.repositories) {
    const at = snapshotPath(r.repository);
    const [before, after] = [main.snapshot(r.repository), merged.snapshot(r.repository)];
    const comes = new Set(r.changes.flatMap((c) => ('to' in c && c.kind !== 'module' ? sumOf(c.to) : [])));
    const goes = new Set(beyond(r.before?.pins, r.after.pins).map(sumOf));
    const documents = new Set(r.changes.flatMap((c) => (c.kind === 'module' ? c.nsvca : [])));
    const id = formatRepositoryId(r.repository);
    for (const nsvca of new Set([...(before?.modules.keys() ?? []), ...(after?.modules.keys() ?? [])])) {
      const [was, is] = [before?.modules.get(nsvca)?.hex, after?.modules.get(nsvca)?.hex];
      if (was !== is && !documents.has(nsvca))
        complain(`the module ${nsvca} of ${id} is no part of this hotfix`, at);
    }
    const [was, is] = [before?.kickstart, after?.kickstart];
    const planned = r.changes.some((c) => c.kind === 'tree') && sameTree(is, r.after.kickstart);
    if (!sameTree(was, is) && !planned) {
      const what = is
        ? `the installation tree ${formatChecksum(is)}`
        : 'the removal of the installation tree';
      complain(`${what} of ${id} is no part of this hotfix`, at);
    }
    for (const pin of beyond(after?.pins, before?.pins)) {
      if (!comes.has(sumOf(pin)))
        complain(`${formatNevra(pin.nevra)} comes into ${id}, and is no part of this hotfix`, at);
    }
    for (const pin of beyond(before?.pins, after?.pins)) {
      if (!goes.has(sumOf(pin)))
        complain(`${formatNevra(pin.nevra)} leaves ${id}, and is no part of this hotfix`, at);
    }
  }
  return complaints;
}

/** The tiers that the commit names for whoever reads the history later are those that the plan changes. */
export function checkTrailers({ trailers }: Pick<PullRequest, 'trailers'>, { hotfix }: Plan): void {
  if (!hotfix) return;
  const said = trailers.flatMap(([key, value]) => (key === 'Sluice-To' ? [value] : []));
  if (said.join(' ') === hotfix.tiers.join(' ')) return;
  throw new Fault(
    'PLAN_DIFFERS',
    `Sluice-To names ${said.join(', ') || 'no tier'}, not ${hotfix.tiers.join(', ')}`,
    {
      hint: 'Close the pull request and run the command again.',
    },
  );
}

/** Nobody said that holds do not count: what is held by now was not when it was planned. */
export function movesPastNoHold(claim: Pick<Claim, 'verb' | 'all'>): boolean {
  if (claim.verb === 'hotfix') return claim.all('Sluice-Override-Hold').length === 0;
  if (claim.verb !== 'promote' || claim.all('Sluice-Named').length > 0) return false;
  return claim.all('Sluice-Lockstep').length === 0 || claim.all('Sluice-Override-Hold').length === 0;
}

/** The tier that it would have come from has it, or something newer. */
export function isNotAhead({ nevra }: Pin, parent: readonly Pin[]): boolean {
  return parent.some(
    ({ nevra: { name, arch, evr } }) =>
      name === nevra.name && arch === nevra.arch && compareEvr(evr, nevra.evr) >= 0,
  );
}
